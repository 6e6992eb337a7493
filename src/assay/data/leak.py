"""Finds rows and groups that stand in two splits; decides by content and reads no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
                f"remove one of the two, or set data.rules: {{leaked_row: drop}} (drops it from "
                f"{self.split})",
                key=f"data.{self.held_out_split}",
            )
        )


def find_leaks(splits: Splits) -> list[Leak]:
    """Rows and groups that two splits share: every such row of either is named at least once."""
    parts = {
        name: [_Marked.build(record) for record in records]
        for name, records in splits.as_dict().items()
    }
    leaks: list[Leak] = []
    for first, second in _PAIRS:
        if parts[first] and parts[second]:
            leaks += _between(parts[first], first, parts[second], second)
    return leaks


def _between(
    records: list[_Marked], split: str, held_out: list[_Marked], held_out_split: str
) -> Iterator[Leak]:
    """One leak for each leaking record, then one for each held-out row not named by those.

    Not every pair: a row that stands a thousand times on both sides would make a million.
    """
    items = _index((item.record, item.final) for item in held_out)
    named: set[int] = set()
    for record, own, _ in records:
        mark = next((mark for mark in own if mark in items), None)
        if mark is not None:
            yield Leak(record, split, items[mark], held_out_split, mark.same)
            named.add(id(items[mark]))
    firsts = _index((item.record, item.every) for item in records)
    for item, _, own in held_out:
        mark = next((mark for mark in own if mark in firsts), None)
        if mark is not None and id(item) not in named:
            yield Leak(firsts[mark], split, item, held_out_split, mark.same)


class _Mark(NamedTuple):
    """What two rows must not share: what it is, in words, and its content."""

    same: str
    key: str


class _Marked(NamedTuple):
    """A record and its marks, most telling first: of every turn, and of the final one alone."""

    record: Record
    every: list[_Mark]
    final: list[_Mark]

    @classmethod
    def build(cls, record: Record) -> _Marked:
        whole = [_Mark("messages", compute_conversation_key(record))]
        turns = [_Mark("prompt and answer", key) for key in compute_answer_keys(record)]
        group = [] if record.group is None else [_Mark(f"group {record.group!r}", record.group)]
        return cls(record, [*whole, *turns, *group], [*whole, *turns[-1:], *group])


def _index(marked: Iterable[tuple[Record, list[_Mark]]]) -> dict[_Mark, Record]:
    """The first record of each mark."""
    index: dict[_Mark, Record] = {}
    for record, own in marked:
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
