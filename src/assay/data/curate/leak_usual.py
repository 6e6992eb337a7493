"""How long a passage two rows share that have nothing to do with each other, in these data.

Where texts are put together from stock sentences, any two rows may hold the same ones side by side.
So training rows are compared with other training rows as if those were held out: what many of them
share so is a manner of speaking, and only a longer passage tells of a leak.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from assay.data.curate.alike import read_rows
from assay.data.curate.batch import CheckedRow
from assay.data.curate.detector import Evidence
from assay.data.curate.leak_judge import Judge
from assay.data.curate.leak_passages import Kind, Passage, PassageSearch
from assay.data.curate.leak_prints import LONG, RowPrint, print_rows
from assay.data.curate.postings import Postings
from assay.data.curate.words import Numbers

SAMPLE_ROWS, SAMPLE_OTHERS = 1_000, 4_000
USUAL_SHARE = 0.001
"""Of training rows; of so many a passage of a kind may be found by chance. Stock sentences make a
few kinds of passages, which add up."""
LONGEST = 2
"""A passage of so many times the least words is always told: training rows may well be taken from
one source, too, and share long ones for that."""
_MIN_ROWS = 3
_MAX_PARTNERS = 16
_SEED = 21


class Control(NamedTuple):
    """Training rows, and other ones that stand for rows held out."""

    rows: list[CheckedRow]
    prints: list[RowPrint]
    others: list[RowPrint]


@dataclass(frozen=True)
class UnusualPassages:
    """Finds the passages that tell of a leak.

    Attributes:
        numbers: of the distinct training rows.
        num_held: how many rows are held out.
    """

    evidence: Evidence
    numbers: Numbers
    judge: Judge
    search: PassageSearch
    num_held: int

    def find(self, row: CheckedRow, others: Mapping[int, RowPrint]) -> tuple[int, Passage] | None:
        """The longest passage of a row that one of the held-out rows has, and that one's place."""
        read = self.search.read(row)
        found = [
            (place, passage)
            for place, other in others.items()
            for passage in self.search.find(read, other)
            if passage.num_telling >= self.least_words.get(passage.kind, self.search.min_words)
        ]
        return max(found, key=lambda one: one[1].num_telling, default=None)

    @cached_property
    def least_words(self) -> dict[Kind, int]:
        """The least words of a passage that is not usual, by kind; one that is left out has none.

        Learned when the first passage is found, which few data sets have.
        """
        control = _draw_control(self.evidence, self.numbers)
        if not control.others:
            return {}
        scale = self.num_held / len(control.others) / len(control.rows)
        longest = _find_longest(control, self.judge, self.search)
        return {
            kind: _choose_limit(own, scale, self.search.min_words) for kind, own in longest.items()
        }


def _draw_control(evidence: Evidence, numbers: Numbers) -> Control:
    size = min(SAMPLE_ROWS, len(numbers) // 2)
    draw = np.random.default_rng(_SEED)
    drawn = np.sort(draw.permutation(numbers)[: size + SAMPLE_OTHERS])
    rows = [row for some in read_rows(evidence, drawn) for row in some]
    prints = print_rows(rows)
    order = draw.permutation(len(rows)).tolist()
    own, others = order[:size], order[size:]
    return Control(
        [rows[one] for one in own], [prints[one] for one in own], [prints[one] for one in others]
    )


def _find_longest(
    control: Control, judge: Judge, search: PassageSearch
) -> Mapping[Kind, list[int]]:
    """Of each row that shares one the words of its longest passage of a kind."""
    places = np.repeat(np.arange(len(control.others)), [len(one.copied) for one in control.others])
    postings = Postings.build(np.concatenate([one.copied for one in control.others]), places)
    found: dict[Kind, list[int]] = defaultdict(list)
    for row, own in zip(control.rows, control.prints, strict=True):
        longest: dict[Kind, int] = {}
        read = search.read(row)
        for place in _list_partners(own, postings, search.min_words):
            if judge.rank(own, control.others[place])[0] > 1:
                continue  # a near copy, and no manner of speaking
            for passage in search.find(read, control.others[place]):
                known = longest.get(passage.kind, 0)
                longest[passage.kind] = max(known, passage.num_telling)
        for kind, num_words in longest.items():
            found[kind].append(num_words)
    return found


def _list_partners(own: RowPrint, postings: Postings, min_words: int) -> Iterator[int]:
    """The rows that share most with one, of those that may share a passage; what few of them have
    weighs more."""
    _, at = postings.look_up(own.copied)
    which, places = postings.expand(np.arange(len(at)), at, most=len(postings.places))
    counts = np.bincount(places)
    weights = np.bincount(places, 1 / postings.counts[at[which]])
    order = np.argsort(-weights, kind="stable")[:_MAX_PARTNERS]
    return (one for one in order.tolist() if counts[one] > min_words - LONG)


def _choose_limit(lengths: list[int], scale: float, min_words: int) -> int:
    """The least words at which so few rows share a passage that it is not usual."""
    for limit in range(min_words, LONGEST * min_words):
        count = sum(one >= limit for one in lengths)
        if count < _MIN_ROWS or count * scale <= USUAL_SHARE:
            return limit
    return LONGEST * min_words
