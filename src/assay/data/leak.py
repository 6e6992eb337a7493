"""Finds rows and groups that stand in two splits; decides by content and reads no file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from assay.data.keys import compute_answer_keys, compute_conversation_key, compute_prompt_keys
from assay.data.records import Record
from assay.data.split import Splits
from assay.errors import Problem

# Where a pair of splits shares a row, it is taken from the first.
_PAIRS = tuple(combinations(("train", "validation", "test"), 2))


@dataclass(frozen=True)
class Leak:
    """`record` of split `split` is also `held_out`, of the later split `held_out_split`.

    `same` is ``messages`` (the whole conversation), ``prompt and answer`` (without the system
    prompt; also where the pair is one turn of a longer conversation), or ``group`` and its name.
    """

    record: Record
    split: str
    held_out: Record
    held_out_split: str
    same: str

    def to_problem(self) -> Problem:
        """The leak at the held-out row, naming the other place."""
        return self.held_out.locate(
            Problem(
                f"the same {self.same} as {self.record.place} ({self.split})",
                "rows and groups that stand in one split only",
                f"remove one of the two, or set data.on_leak: drop (drops it from {self.split})",
                key=f"data.{self.held_out_split}",
            )
        )


def find_leaks(splits: Splits) -> list[Leak]:
    """Rows and groups that two splits share: every such row of either is named at least once."""
    parts = splits.as_dict()
    leaks: list[Leak] = []
    for first, second in _PAIRS:
        if parts[first] and parts[second]:
            leaks += _between(parts[first], first, parts[second], second)
    return leaks


def _between(
    records: list[Record], split: str, held_out: list[Record], held_out_split: str
) -> Iterator[Leak]:
    """One leak for each leaking record, then one for each held-out row not named by those.

    Not every pair: a row that stands a thousand times on both sides would make a million.
    """
    marks = [_mark(record, compute_answer_keys(record)) for record in records]
    held_out_marks = [_mark(item, compute_answer_keys(item)[-1:]) for item in held_out]
    items = _index(held_out, held_out_marks)
    named: set[int] = set()
    for record, own in zip(records, marks, strict=True):
        mark = next((mark for mark in own if mark in items), None)
        if mark is not None:
            yield Leak(record, split, items[mark], held_out_split, mark.same)
            named.add(id(items[mark]))
    firsts = _index(records, marks)
    for item, own in zip(held_out, held_out_marks, strict=True):
        mark = next((mark for mark in own if mark in firsts), None)
        if mark is not None and id(item) not in named:
            yield Leak(firsts[mark], split, item, held_out_split, mark.same)


class _Mark(NamedTuple):
    """What two rows must not share: what it is, in words, and its content."""

    same: str
    key: str


def _mark(record: Record, answers: list[str]) -> list[_Mark]:
    """The marks of a row, most telling first."""
    marks = [_Mark("messages", compute_conversation_key(record))]
    marks += [_Mark("prompt and answer", key) for key in answers]
    if record.group is not None:
        marks.append(_Mark(f"group {record.group!r}", record.group))
    return marks


def _index(records: list[Record], marks: list[list[_Mark]]) -> dict[_Mark, Record]:
    """The first record of each mark."""
    index: dict[_Mark, Record] = {}
    for record, own in zip(records, marks, strict=True):
        for mark in own:
            index.setdefault(mark, record)
    return index


def drop_leaks(splits: Splits, leaks: list[Leak]) -> Splits:
    """The splits without the leaking rows of the earlier split (train, validation, test).

    Records are told apart by identity, since the same row in two splits has the same id.
    """
    leaking = {id(leak.record) for leak in leaks}
    kept = {
        name: [record for record in records if id(record) not in leaking]
        for name, records in splits.as_dict().items()
    }
    return Splits(**kept)


def count_shared_prompts(splits: Splits) -> dict[str, int]:
    """Held-out rows whose prompt is also trained on with another answer, by split.

    Not refused, since one question can have many answers; but such rows are easier than new ones.
    """
    trained = {key for record in splits.train for key in compute_prompt_keys(record)}
    held_out = {"validation": splits.validation, "test": splits.test}
    return {
        name: sum(compute_prompt_keys(record)[-1] in trained for record in records)
        for name, records in held_out.items()
    }
