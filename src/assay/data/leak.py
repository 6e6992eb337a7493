"""Finds rows that stand in two splits; decides by content alone and reads no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from assay.data.keys import compute_answer_keys, compute_conversation_key, compute_prompt_keys
from assay.data.records import Record
from assay.data.split import Splits
from assay.errors import Problem

# Where a pair of splits shares a row, it is taken from the first.
_PAIRS = tuple(combinations(("train", "validation", "test"), 2))


@dataclass(frozen=True)
class Leak:
    """`record` of split `split` is also `held_out`, of the later split `held_out_split`.

    `same` is ``messages`` (the whole conversation) or ``prompt and answer`` (without the system
    prompt; also where the pair is one turn of a longer conversation).
    """

    record: Record
    split: str
    held_out: Record
    held_out_split: str
    same: str

    def to_problem(self) -> Problem:
        """The leak at the held-out row, naming the other place."""
        return Problem(
            f"the same {self.same} as {self.record.place} ({self.split})",
            "rows that stand in one split only",
            f"remove one of the two, or set data.on_leak: drop (drops it from {self.split})",
            file=self.held_out.file,
            line=self.held_out.line,
            key=f"data.{self.held_out_split}",
        )


def find_leaks(splits: Splits) -> list[Leak]:
    """Rows that two splits share: every such row of either split is named at least once."""
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
    conversations = _index((compute_conversation_key(record), record) for record in held_out)
    answers = _index((compute_answer_keys(record)[-1], record) for record in held_out)
    named: set[int] = set()
    others: dict[int, Leak] = {}
    for record in records:
        whole = conversations.get(compute_conversation_key(record), [])
        turns = [item for key in compute_answer_keys(record) for item in answers.get(key, [])]
        found = [Leak(record, split, item, held_out_split, "messages") for item in whole]
        found += [Leak(record, split, item, held_out_split, "prompt and answer") for item in turns]
        if found:
            yield found[0]
            named.add(id(found[0].held_out))
            for leak in found:
                others.setdefault(id(leak.held_out), leak)
    yield from (leak for item, leak in others.items() if item not in named)


def _index(pairs: Iterable[tuple[str, Record]]) -> dict[str, list[Record]]:
    index: dict[str, list[Record]] = {}
    for key, record in pairs:
        index.setdefault(key, []).append(record)
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
