"""The shapes that rows come in and their columns; recognises a shape, converts nothing.

chat        messages [tools, system]
sharegpt    conversations [tools, system]
alpaca      instruction, output [input, system, history, tools]
completion  prompt, completion [tools, system]
text        text
preference  chosen, rejected [prompt, instruction, tools, system]
openai_preference  input, preferred_output, non_preferred_output
rated       label, and prompt, completion or messages [tools, system]
stepwise    completions, labels, and prompt or instruction [tools, system]
prompt      messages, prompt or instruction [tools, system], and what its grader reads

The three from preference on are of objectives that compare whole answers, stepwise of those that
judge their steps, the last of those whose model writes the answers itself. Each objective takes its
own shapes, and refuses those of the others by name.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.data.records import Row, RowObjective
from assay.data.stored import is_stored
from assay.errors import Problem

SAMPLE_ROWS = 32
PROMPT_FIELDS = ("messages", "prompt", "instruction")
"""Where a prompt alone may stand: one of them in each row."""
STORED = "stored"
"""The shape of rows that Assay wrote: versions of data, and the splits of runs."""


@dataclass(frozen=True)
class Shape:
    """Columns of one shape; `lists` are those whose cells are lists (or lists as JSON text)."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    lists: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that this shape reads."""
        return self.required + self.optional

    def fits(self, fields: Mapping[str, Any]) -> bool:
        """Whether a row has the required columns, with cells of the right kind.

        Of a shape that requires none it is whether the row has any of its own.
        """
        if not self.required:
            return any(fields.get(name) is not None for name in PROMPT_FIELDS)
        return all(_fits(fields.get(name), name in self.lists) for name in self.required)


def _fits(cell: Any, is_list: bool) -> bool:
    if not is_list:
        return cell is not None
    return isinstance(cell, list) or (isinstance(cell, str) and cell.lstrip().startswith("["))


SHAPES: dict[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape("chat", ("messages",), ("tools", "system", "functions"), frozenset({"messages"})),
        Shape("sharegpt", ("conversations",), ("tools", "system"), frozenset({"conversations"})),
        Shape("alpaca", ("instruction", "output"), ("input", "system", "history", "tools")),
        Shape("completion", ("prompt", "completion"), ("tools", "system")),
        Shape("text", ("text",)),
        Shape("preference", ("chosen", "rejected"), ("prompt", "instruction", "tools", "system")),
        Shape("openai_preference", ("input", "preferred_output", "non_preferred_output")),
        Shape("rated", ("label",), ("prompt", "completion", "messages", "tools", "system")),
        Shape(
            "stepwise",
            ("completions", "labels"),
            ("prompt", "instruction", "tools", "system"),
            frozenset({"completions", "labels"}),
        ),
        Shape("prompt", (), (*PROMPT_FIELDS, "tools", "system")),
    )
}
COMPARED: dict[str, RowObjective] = {
    "preference": "preference",
    "openai_preference": "preference",
    "rated": "rated",
    "stepwise": "stepwise",
    "prompt": "prompts",
}
"""The shapes that are not of answers to be learned, and by which objectives they are taken."""
FIELDS = tuple(dict.fromkeys(name for shape in SHAPES.values() for name in shape.columns))

PURPOSES: dict[str, str] = {
    "answers": "sft",
    "preference": "dpo and other preference objectives",
    "rated": "kto, which learns from thumbs up and down",
    "stepwise": "process_reward, which learns which steps of an answer are right",
    "prompt": "reinforcement objectives such as grpo, which write the answers themselves",
}
"""What each kind of row is for."""
_OBJECTIVES: dict[RowObjective, str] = {
    "answers": "sft",
    "preference": "dpo",
    "rated": "kto",
    "prompts": "grpo",
    "stepwise": "process_reward",
}

# Usual names of the two columns of a question-answer table.
_QUESTIONS = ("question", "query", "user", "input", "problem", "prompt", "instruction")
_ANSWERS = ("answer", "response", "assistant", "output", "solution", "completion", "reply")
# Usual names of the answer to a text, which a row of plain text would leave unlearned.
_LABELS = ("label", "labels", "target", "class", "category", "answer", "output", "response")
# And of what the question is about, in a column of its own.
_CONTEXTS = ("context", "input", "passage")


def rename_columns(fields: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """`fields` with each mapped column under its field's name; unmapped columns stay.

    `columns` is `{field of the format: column of the file}`, as in the recipe.
    """
    taken = set(columns.values())
    renamed = {name: cell for name, cell in fields.items() if name not in taken}
    renamed.update({field: fields[name] for field, name in columns.items() if name in fields})
    return renamed


def list_allowed(wanted: RowObjective | None) -> str:
    """The shapes that an objective takes, with what each requires; all for None."""
    return "; ".join(
        f"{name} ({', '.join(shape.required) or ' or '.join(PROMPT_FIELDS)})"
        for name, shape in SHAPES.items()
        if wanted is None or COMPARED.get(name, "answers") == wanted
    )


def recognise_shape(
    rows: Sequence[Row],
    *,
    columns: Mapping[str, str],
    file: str,
    named: str = "auto",
    wanted: RowObjective | None = None,
) -> str | Problem:
    """The name of the one shape that most of the first rows have, or why there is none.

    Args:
        rows: the first rows, at most `SAMPLE_ROWS` of them are looked at.
        columns: the recipe's column mapping.
        file: named in the problem.
        named: the recipe's format; other than ``auto`` it is only checked against the rows.
        wanted: what the objective learns from; None takes every shape.
    """
    sample = [rename_columns(row.fields, columns) for row in rows[:SAMPLE_ROWS]]
    if named == "auto" and sample and all(map(is_stored, sample)):
        return STORED
    if named != "auto" and wanted and COMPARED.get(named, "answers") != wanted:
        return _other_objective(named, wanted, file)
    if named != "auto":
        seen = any(all(name in fields for name in SHAPES[named].required) for fields in sample)
        return named if seen or not sample else _lacks_columns(named, rows, columns, file)
    votes = Counter(name for fields in sample for name in _match(fields, wanted))
    top = [name for name, count in votes.items() if count == max(votes.values())]
    label = _find_label(sample) if top == ["text"] and not columns else None
    if label:
        return _unlearned_label(label, rows, file)
    if len(top) == 1 and top[0] in SHAPES:
        fits = wanted is None or COMPARED.get(top[0], "answers") == wanted
        return top[0] if fits else _other_objective(top[0], wanted or "answers", file)
    if len(top) == 1:
        return _other_objective(top[0], wanted or "answers", file)
    return _unclear(top, rows, columns, file, wanted)


def _match(fields: Mapping[str, Any], wanted: RowObjective | None) -> list[str]:
    """Names of the shapes that a row has; one of compared answers stands alone.

    A rating beside a conversation may be any other column: it is one where ratings are learned.
    """
    if wanted == "prompts" and SHAPES["prompt"].fits(fields):
        return ["prompt"]
    if wanted is None and _ends_asking(fields.get("messages")):
        return ["prompt"]
    for name in ("preference", "openai_preference", "stepwise"):
        if SHAPES[name].fits(fields):
            return [name]
    answers = [n for n, shape in SHAPES.items() if n not in COMPARED and shape.fits(fields)]
    if fields.get("label") is not None and {"completion", "chat"} & set(answers):
        is_told = isinstance(fields["label"], bool) and "completion" in answers
        if is_told or wanted == "rated":
            return ["rated"]
    return answers or (["prompt"] if fields.get("prompt") is not None else [])


def _ends_asking(messages: Any) -> bool:
    """Whether a conversation ends with the user: where most do, nobody forgot the answers."""
    last = messages[-1] if isinstance(messages, list) and messages else None
    return isinstance(last, dict) and last.get("role") == "user"


def _find_label(sample: Sequence[Mapping[str, Any]]) -> str | None:
    names = dict.fromkeys(name for fields in sample for name in fields)
    return next((name for name in names if name.lower() in _LABELS), None)


def _unlearned_label(label: str, rows: Sequence[Row], file: str) -> Problem:
    return Problem(
        f"columns {_columns_seen(rows)}: plain text alone would be learned, and {label} never",
        "plain text by name, or a prompt and its completion",
        "name it (data.train: {path, format: text}), or map the columns: data.train: {path, "
        f"format: completion, columns: {{prompt: text, completion: {label}}}}} (format: alpaca, "
        "instruction and output, for a chat base)",
        file=file,
    )


def _other_objective(name: str, wanted: RowObjective, file: str) -> Problem:
    kind = name if name == "prompt" else COMPARED.get(name, "answers")
    objective = _OBJECTIVES[wanted]
    return Problem(
        f"{kind if kind != 'answers' else name} data",
        f"data for {objective}: {list_allowed(wanted)}",
        f"{kind if kind != 'answers' else name} data is for {PURPOSES[kind]}; for {objective} name"
        " a format and map its columns (data.train: {path, format, columns})",
        file=file,
    )


def _unclear(
    top: Sequence[str],
    rows: Sequence[Row],
    columns: Mapping[str, str],
    file: str,
    wanted: RowObjective | None,
) -> Problem:
    seen, allowed = _columns_seen(rows), list_allowed(wanted)
    if top:
        return Problem(
            f"columns {seen}, which fit {' and '.join(top)} equally well",
            allowed,
            _suggest_one(top, rows),
            file=file,
        )
    return Problem(
        f"columns {seen}, which fit no known shape",
        allowed,
        _suggest_mapping(rows),
        file=file,
        key="columns" if columns else "",
    )


def _suggest_one(top: Sequence[str], rows: Sequence[Row]) -> str:
    """What to do about rows that fit several shapes alike: in one file, or in files of a folder."""
    if len({row.file for row in rows}) > 1:
        return "list the files as separate sources: data.train: [folder/one, folder/other]"
    return "name one: data.train: {path, format}"


def _columns_seen(rows: Sequence[Row]) -> str:
    names = dict.fromkeys(name for row in rows[:SAMPLE_ROWS] for name in row.fields)
    return ", ".join(names) or "(none)"


def _suggest_mapping(rows: Sequence[Row]) -> str:
    names = {name.lower(): name for row in rows[:SAMPLE_ROWS] for name in row.fields}
    question = next((names[name] for name in _QUESTIONS if name in names), None)
    answer = next((names[name] for name in _ANSWERS if name in names), None)
    if not question or not answer:
        return "map the columns: data.train: {path, format, columns: {field: column}}"
    contexts = (names[name] for name in _CONTEXTS if name in names)
    context = next((name for name in contexts if name != question), None)
    fields = {"instruction": question, "input": context, "output": answer}
    columns = ", ".join(f"{field}: {name}" for field, name in fields.items() if name)
    options = " ".join(f"--column {field}={name}" for field, name in fields.items() if name)
    return (
        f"map the columns: data.train: {{path, format: alpaca, columns: {{{columns}}}}} (of a "
        f"command: --format alpaca {options})"
    )


def _lacks_columns(
    named: str, rows: Sequence[Row], columns: Mapping[str, str], file: str
) -> Problem:
    required = [columns.get(name, name) for name in SHAPES[named].required or PROMPT_FIELDS]
    return Problem(
        f"columns {_columns_seen(rows)}",
        f"for {named}: {', '.join(required)}",
        "map the columns (data.train: {path, format, columns: {field: column}}) or name "
        "another format",
        file=file,
        line=rows[0].line,
    )


def check_mapping(columns: Mapping[str, str], *, file: str, shape: str = "auto") -> list[Problem]:
    """Problems of a column mapping itself: fields that `shape` (for ``auto``: any) lacks."""
    fields = FIELDS if shape in ("auto", STORED) else SHAPES[shape].columns
    problems = []
    for name in columns:
        if name in fields:
            continue
        near = difflib.get_close_matches(name, fields, n=1)
        do = f"did you mean {near[0]}?" if near else "write {field: column of the file}"
        known = name in FIELDS
        got = f"{name!r}, which {shape} rows do not have" if known else f"unknown field {name!r}"
        problems.append(Problem(got, ", ".join(fields), do, file=file, key=f"columns.{name}"))
    return problems


def find_unseen_columns(
    columns: Mapping[str, str], seen: Collection[str], *, file: str
) -> list[Problem]:
    """One problem for each mapped column that no row has: its field would stay empty, silently.

    Args:
        columns: the recipe's column mapping.
        seen: every column of every row.
        file: named in the problems.
    """
    problems = []
    for field, name in columns.items():
        if name in seen:
            continue
        near = difflib.get_close_matches(name, seen, n=1)
        do = f"did you mean {near[0]}?" if near else "correct the name, or remove the field"
        got = f"column {name!r}, which no row has"
        problems.append(Problem(got, ", ".join(seen), do, file=file, key=f"columns.{field}"))
    return problems
