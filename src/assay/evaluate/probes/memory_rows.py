"""Ends of trained and of unseen answers, of which a probe asks how well a model knows them.

Rows that stand in the training rows most often come first, since they are learned by heart first;
an end that many rows share is one thing to know. It asks no model.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from assay.chat import RenderedExample, render_completion, render_example, render_plain
from assay.data import Record
from assay.errors import DataError
from assay.evaluate.items import Item, draw_sample
from assay.evaluate.stats import compute_wilson

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked
    from assay.generate.likelihood import Masked

Group = Literal["repeated", "trained", "held_out"]
"""``repeated`` are trained rows that are read more often than the others."""
SUFFIX_TOKENS, MIN_TOKENS = 50, 8
"""The longest end that is asked for, and the shortest that could hold something worth hiding."""
MIN_ROWS, MIN_REPEATED = 20, 5
"""Fewer ends of a group than this are not compared."""


@dataclass(frozen=True)
class Learned:
    """A trained row and how often training reads it in one pass over the data."""

    record: Record
    copies: float


@dataclass(frozen=True)
class Row:
    """A row with its end masked; `suffix` is that end as text."""

    id: str
    group: Group
    masked: Masked
    suffix: str

    @property
    def prompt_ids(self) -> list[int]:
        """What stands before the end."""
        ids, mask = self.masked
        return list(ids[: len(mask) - sum(one > 0 for one in mask)])

    @property
    def suffix_ids(self) -> list[int]:
        return list(self.masked[0][len(self.prompt_ids) :])


@dataclass(frozen=True)
class Count:
    """How many of `n` ends are known."""

    found: int
    n: int

    @property
    def share(self) -> float:
        return self.found / self.n if self.n else 0.0


def list_learned(records: Sequence[Record]) -> list[Learned]:
    """The rows that are learned, each once, the most frequent first; anchors are not."""
    copies: Counter[str] = Counter()
    first: dict[str, Record] = {}
    for one in records:
        if one.role != "anchor":
            key = json.dumps([one.messages, one.tools], sort_keys=True, default=str)
            copies[key] += 1
            first.setdefault(key, one)
    learned = [Learned(record, copies[key] * record.weight) for key, record in first.items()]
    return sorted(learned, key=lambda one: -one.copies)


def choose_rows(asked: Asked, *, max_rows: int) -> list[Row]:
    """At most `max_rows` trained ends and as many unseen ones, each once.

    Half of the trained ones may be of repeated rows, which come first. An end that an unseen row
    has as well is no trained one.
    """
    learned = list_learned(asked.training)
    lowest = learned[-1].copies if learned else 0
    repeated = [one.record for one in learned if one.copies > lowest][: max_rows // 2]
    others = draw_sample(
        [one.record for one in learned if one.copies <= lowest],
        max_items=max_rows - len(repeated),
        seed=asked.seed,
    )
    items = draw_sample(asked.prompts, max_items=max_rows, seed=asked.seed)
    unseen = _keep(_mask_end(asked, "held_out", _render_item(asked, one)) for one in items)
    known = {one.suffix for one in unseen}
    rows = [
        *_keep(_mask_end(asked, "repeated", _render_record(asked, one)) for one in repeated),
        *_keep(_mask_end(asked, "trained", _render_record(asked, one)) for one in others),
    ]
    trained = list({one.suffix: one for one in reversed(rows) if one.suffix not in known}.values())
    return [
        replace(row, id=f"{row.group}-{number}")
        for number, row in enumerate([*reversed(trained), *unseen], start=1)
    ]


def describe_lack(rows: Sequence[Row]) -> str:
    """Why too few ends are there to be compared, in one sentence; empty where enough are."""
    unseen = sum(one.group == "held_out" for one in rows)
    seen = len(rows) - unseen
    repeated = sum(one.group == "repeated" for one in rows)
    if unseen >= MIN_ROWS and (seen >= MIN_ROWS or repeated >= MIN_REPEATED):
        return ""
    return (
        f"{seen} trained and {unseen} unseen rows have answers of their own of {MIN_TOKENS} tokens"
        f" or more; {MIN_ROWS} of each are needed to compare them."
    )


def count_found(rows: Sequence[Row], found: Sequence[bool]) -> dict[str, Count]:
    """By group; ``trained`` counts the repeated ones as well."""
    groups: dict[str, list[bool]] = {"repeated": [], "trained": [], "held_out": []}
    for row, one in zip(rows, found, strict=True):
        groups[row.group].append(one)
        if row.group == "repeated":
            groups["trained"].append(one)
    return {group: Count(sum(own), len(own)) for group, own in groups.items()}


def compute_excess(counts: dict[str, Count]) -> float:
    """How much more of the trained ends is known than of the unseen ones, by the lower 95 % bound:
    of all of them or of the repeated ones alone, whichever is larger."""
    wanted = {"trained": MIN_ROWS, "repeated": MIN_REPEATED}
    return max(
        (
            bound_excess(counts[group], counts["held_out"])
            for group, least in wanted.items()
            if counts[group].n >= least
        ),
        default=0.0,
    )


def bound_excess(seen: Count, unseen: Count) -> float:
    """Lower 95 % bound of the difference of two shares, by Newcombe's hybrid of Wilson's."""
    low = compute_wilson(seen.found, seen.n, confidence=0.9)[0]
    high = compute_wilson(unseen.found, unseen.n, confidence=0.9)[1]
    p, q = seen.share, unseen.share
    return p - q - math.hypot(p - low, high - q)


def _keep(rows: Iterable[Row | None]) -> list[Row]:
    return list({one.suffix: one for one in rows if one}.values())


def _render_record(asked: Asked, record: Record) -> RenderedExample | None:
    if record.kind == "text":
        return render_plain(asked.tokenizer, str(record.messages[0]["content"]))
    if record.kind == "completion":
        prompt, answer = (str(message["content"]) for message in record.messages)
        return render_completion(asked.tokenizer, prompt, answer)
    return _render_chat(asked, record.messages, record.tools)


def _render_item(asked: Asked, item: Item) -> RenderedExample | None:
    answer = item.reference
    if answer is None or item.rendering == "text":
        return None
    if item.rendering == "completion":
        prompt = "".join(str(message["content"]) for message in item.messages)
        return render_completion(asked.tokenizer, prompt, str(answer))
    said = answer if isinstance(answer, dict) else {"content": answer}
    return _render_chat(asked, [*item.messages, {"role": "assistant", **said}], item.tools)


def _render_chat(asked: Asked, messages: Any, tools: Any) -> RenderedExample | None:
    try:
        return render_example(asked.tokenizer, messages, tools=tools)[-1]
    except (DataError, IndexError):
        return None


def _mask_end(asked: Asked, group: Group, row: RenderedExample | None) -> Row | None:
    """The row's last trained tokens; None where they are few, or the row is too long."""
    if row is None or len(row.input_ids) > asked.context_len:
        return None
    end = len(row.input_ids)
    while end and row.loss_mask[end - 1] <= 0:
        end -= 1
    start = end
    while start and row.loss_mask[start - 1] > 0 and end - start < SUFFIX_TOKENS:
        start -= 1
    if end - start < MIN_TOKENS:
        return None
    mask = [0.0] * start + [1.0] * (end - start)
    text = asked.tokenizer.decode(row.input_ids[start:end])
    return Row("", group, (row.input_ids[:end], mask), text)
