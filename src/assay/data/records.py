"""The record: one training example in one shape for every format; knows no file and no token.

Message   OpenAI chat message as a dict: role, content, tool_calls, tool_call_id, name, weight, …
Record    messages + tools + where it came from
Row       raw columns of one row, before any format is known
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from assay.errors import Problem

Message = dict[str, Any]
Kind = Literal["chat", "completion", "text"]
Role = Literal["task", "extra", "anchor"]
RowObjective = Literal["answers", "preference", "rated", "prompts", "stepwise"]
"""What of a row is learned: its answers, which of two answers is better, how one was rated, what
the model makes of a prompt, or which steps of an answer are right."""

ID_LENGTH = 16
_CANONICAL = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str
)


@dataclass(frozen=True)
class Row:
    """Columns of one row as they stand in the file.

    `line` counts from 1: the line on which the row begins, or the row number in a columnar file
    (Parquet, Hub), where `columnar` is true and a null means that the cell is absent. `index`
    counts from 0 in a list of rows, where lines alone may not tell them apart.
    """

    fields: dict[str, Any]
    file: str
    line: int
    columnar: bool = False
    index: int | None = None


@dataclass(frozen=True)
class Record:
    """One example. `kind` says how it is rendered.

    chat        messages through the chat template of the base
    completion  one user and one assistant message, rendered raw, without a template
    text        one assistant message that holds the whole text; every token is trained

    `weight` is how often training uses each row of the record's source; `group` is the user's
    group, where the recipe names a group column; `extra` holds the columns that the format does not
    use, as plain JSON values (see `to_json_value`); `role` is that of its source: a split by ratio
    takes records of ``task`` alone out of training, and those of ``anchor`` are not learned;
    `index` is that of its row, as in `Row`.

    In a row of preference the messages end with the chosen answer, and `rejected` are the messages
    that stand in its place otherwise; earlier answers are not trained (weight 0). In a rated row
    `is_wanted` says how the answer was rated. A row of prompts has no answer, and `extra` is what
    its grader reads. `step_labels` says of each step of the answer (`assay.data.step_rows`) whether
    it is right.
    """

    id: str
    messages: list[Message]
    tools: list[dict[str, Any]] | None
    kind: Kind
    group: str | None
    file: str
    line: int
    source: str
    weight: float = 1.0
    extra: dict[str, Any] = field(default_factory=dict)
    role: Role = "task"
    index: int | None = None
    rejected: list[Message] | None = None
    is_wanted: bool | None = None
    step_labels: list[bool] | None = None

    @property
    def answers_from(self) -> int:
        """The index of the message with which the trained answer begins."""
        trained = (number for number, one in enumerate(self.messages) if is_trained(one))
        return next(trained, len(self.messages) - 1)

    @property
    def rejected_messages(self) -> list[Message]:
        """The conversation with the rejected answer; [] where there is none."""
        return [*self.messages[: self.answers_from], *self.rejected] if self.rejected else []

    @property
    def objective(self) -> RowObjective:
        """What kind of objective can learn from the record."""
        if self.is_prompt:
            return "prompts"
        if self.rejected is not None:
            return "preference"
        if self.step_labels is not None:
            return "stepwise"
        return "answers" if self.is_wanted is None else "rated"

    @property
    def is_prompt(self) -> bool:
        """Whether the messages end where the model is to go on: there is no answer."""
        return bool(self.messages) and self.messages[-1].get("role") != "assistant"

    @property
    def place(self) -> str:
        """`file:line`, as printed in problems, and the index of a row of a JSON list."""
        return f"{self.file}:{self.line}{_show_index(self.index)}"

    def locate(self, problem: Problem) -> Problem:
        """`problem` of this record, with the record's place."""
        key = join_index(self.index, problem.key)
        return replace(problem, file=self.file, line=self.line, key=key)


def is_trained(message: Message) -> bool:
    """Whether a message is an answer that is learned."""
    return bool(message["role"] == "assistant" and message.get("weight", 1) > 0)


@dataclass
class RowCheck:
    """Collects what is wrong with one row, so that a row reports all its problems at once."""

    row: Row
    problems: list[Problem] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def refuse(self, key: str, got: str, allowed: str = "", do: str = "") -> None:
        """Add one problem of this row; `key` is a path such as `messages[2].role`.

        In a list of rows it begins with the row's index: `[7].messages[2].role`.
        """
        key = join_index(self.row.index, key)
        self.problems.append(
            Problem(got, allowed, do, file=self.row.file, line=self.row.line, key=key)
        )


def join_index(index: int | None, key: str) -> str:
    """A key within a row of a JSON list, such as `[7].messages[2].role`; else `key` as it is."""
    return ".".join(part for part in (_show_index(index), key) if part)


def _show_index(index: int | None) -> str:
    return "" if index is None else f"[{index}]"


def canonical_json(value: Any) -> str:
    """JSON that is equal for equal values: sorted keys, no spaces; foreign types as their text."""
    return _CANONICAL.encode(value)


def to_json_value(value: Any) -> Any:
    """A cell as the JSON value by which files, hashes and users' metrics know it, at any depth.

    Dates and times become ISO 8601 text, decimals, durations and UUIDs their text, bytes Base64;
    NaN and infinities, for which JSON has no word, become None.

    Raises:
        ValueError: a type without such a form, such as a decoded image; the message names it.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else None
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta | UUID):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dict):
        return {str(key): to_json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(item) for item in value]
    raise ValueError(describe_type(value))


def build_content(record: Record) -> str:
    """What is trained on as canonical JSON: kind, messages and tools, not where they came from.

    So are the rejected answer, the rating and the labels of steps, where the row has them, and what
    the grader of a prompt reads.
    """
    content = {"kind": record.kind, "messages": record.messages, "tools": record.tools}
    compared: dict[str, Any] = {"rejected": record.rejected, "is_wanted": record.is_wanted}
    compared["step_labels"] = record.step_labels
    compared["item"] = record.extra if record.is_prompt else None
    return canonical_json(content | {k: one for k, one in compared.items() if one is not None})


def compute_content_hash(record: Record) -> str:
    """SHA-256 (hex) of `build_content`."""
    return hashlib.sha256(build_content(record).encode()).hexdigest()


def assign_ids(records: Iterable[Record]) -> list[Record]:
    """All records as `iterate_named` gives them."""
    return list(iterate_named(records))


def iterate_named(records: Iterable[Record]) -> Iterator[Record]:
    """Name every record by its content; the n-th copy of the same content ends in `-n`.

    Ids do not depend on the order of different rows, so evaluation items keep their names when a
    file is shuffled or extended.
    """
    seen: Counter[str] = Counter()
    for record in records:
        digest = compute_content_hash(record)[:ID_LENGTH]
        seen[digest] += 1
        copy = f"-{seen[digest]}" if seen[digest] > 1 else ""
        yield replace(record, id=digest + copy)


def describe(value: Any, *, limit: int = 60) -> str:
    """A value as an error message quotes it: its JSON, cut to `limit` characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def describe_type(value: Any) -> str:
    """The JSON name of a value's type, with an article."""
    names = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), f"a value of type {type(value).__name__}")
