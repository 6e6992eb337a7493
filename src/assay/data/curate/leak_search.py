"""Finds which held-out rows a training row may have been taken from; it judges none.

Candidates share a MinHash band of what is asked, or a print that few training rows have in texts of
the same role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from assay.data.curate.bands import BandPlan, compute_bands
from assay.data.curate.batch import SPOKEN
from assay.data.curate.detector import Sketch
from assay.data.curate.frames import Frames
from assay.data.curate.leak_prints import RowPrint, count_common
from assay.data.curate.marks import Marks
from assay.data.curate.postings import Postings
from assay.data.curate.words import Numbers

# How many held-out rows one training row is compared with, most alike first.
MAX_PARTNERS = 8
# So many of those that share a print which no other training row says in that role: all of them
# hold the stock sentence that leaked, and one of them what stands beside it.
_MAX_SURE_PARTNERS = 64
# Held-out rows of one bucket that are looked at; with more, it says too little.
MAX_POSTINGS = 8
# Of one print there may be more: a stock sentence of customers may leak into a single answer.
_MAX_PRINT_POSTINGS = 64
# A shared band says as much as so many prints that no other training row has.
_BAND_WEIGHT = 4


@dataclass(frozen=True)
class Candidates:
    """Pairs of a training row's number and a held-out row's place, by row, most alike first.

    `crowded` are rows that share a band with too many held-out rows to be looked at.
    """

    rows: Numbers
    places: Numbers
    crowded: Numbers


@dataclass
class CandidateSearch:
    """The search among one set of held-out rows; training rows `without` are left out."""

    marks: Marks
    without: Numbers

    @cached_property
    def prints(self) -> Postings:
        """Held-out rows by print."""
        return Postings.build(self.marks.print, self.marks.print_row)

    @cached_property
    def bands(self) -> list[Postings]:
        """Held-out rows by each band."""
        own = np.flatnonzero(self.marks.has_bands)
        return [Postings.build(column[own], own) for column in self.marks.bands.T]

    @property
    def crowded_places(self) -> Numbers:
        """Held-out rows of which some band is that of too many."""
        found = [one.places[np.repeat(one.counts > MAX_POSTINGS, one.counts)] for one in self.bands]
        return np.unique(np.concatenate(found))

    def run(self, sketches: Callable[[], Iterable[Sketch]], num_rows: int) -> Candidates:
        """All candidates; `sketches` are gone through twice."""
        weights = self._weigh_prints(sketches(), num_rows)
        found = [self._search(sketch, weights) for sketch in sketches()]
        rows, places, crowded = (list(column) for column in zip(*found, strict=True))
        return Candidates(*(np.concatenate(column) for column in (rows, places, crowded)))

    def _weigh_prints(self, sketches: Iterable[Sketch], num_rows: int) -> Numbers:
        """What each print tells in each role: the less, the more training rows say it in that role.

        Nothing where many do, or where many held-out rows have it.
        """
        counts = np.zeros(len(self.prints.values) * len(SPOKEN), np.int64)
        for sketch in sketches:
            _, slots = self._look_up_prints(sketch)
            counts += np.bincount(slots, minlength=len(counts))
        is_telling = counts <= count_common(num_rows)
        is_rare = self.prints.counts <= count_common(len(self.marks))
        is_telling &= np.repeat(is_rare, len(SPOKEN))
        weights: Numbers = is_telling / np.maximum(counts, 1)
        return weights

    def _look_up_prints(self, sketch: Sketch) -> tuple[Numbers, Numbers]:
        """Each row of the sketch with each known print that it has, told apart by role."""
        positions, at = self.prints.look_up(sketch["print"])
        rows = sketch["print_row"][positions].astype(np.int64)
        slots = at * len(SPOKEN) + sketch["print_role"][positions]
        is_kept = ~np.isin(sketch["number"][rows], self.without)
        pairs = np.unique((rows[is_kept] << 32) | slots[is_kept])
        return pairs >> 32, pairs & 0xFFFFFFFF

    def _search(self, sketch: Sketch, weights: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        rows, slots = self._look_up_prints(sketch)
        told = np.flatnonzero(weights[slots])
        which, places = self.prints.expand(
            told, slots[told] // len(SPOKEN), most=_MAX_PRINT_POSTINGS
        )
        own = np.flatnonzero(sketch["has_bands"] & ~np.isin(sketch["number"], self.without))
        (banded, partners), crowded = self.match_bands(sketch["bands"][own], own)
        pairs = (np.append(rows[which], banded) << 32) | np.append(places, partners)
        weight = np.append(weights[slots[which]], np.full(len(banded), _BAND_WEIGHT))
        best_rows, places = choose_partners(pairs, weight, sure=1.0)
        return sketch["number"][best_rows], places, sketch["number"][crowded]

    def match_bands(self, bands: Any, rows: Numbers) -> tuple[tuple[Numbers, Numbers], Numbers]:
        """Each row with held-out rows that share a band, and rows that share one with too many."""
        found_rows, found_places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        crowded = [np.empty(0, np.int64)]
        for column, postings in zip(bands.T, self.bands, strict=True):
            positions, at = postings.look_up(column)
            own, places = postings.expand(rows[positions], at, most=MAX_POSTINGS)
            found_rows.append(own)
            found_places.append(places)
            crowded.append(rows[positions[postings.counts[at] > MAX_POSTINGS]])
        pairs = np.concatenate(found_rows), np.concatenate(found_places)
        return pairs, np.unique(np.concatenate(crowded))


def choose_partners(
    pairs: Numbers, weights: Numbers, *, sure: float = np.inf
) -> tuple[Numbers, Numbers]:
    """Rows and places of the heaviest `MAX_PARTNERS` pairs of each row, rows in order; of more,
    where they weigh as much as `sure`."""
    distinct, which = np.unique(pairs, return_inverse=True)
    weight = np.bincount(which, weights=weights, minlength=len(distinct))
    rows, places = distinct >> 32, distinct & 0xFFFFFFFF
    order = np.lexsort((places, -weight, rows))
    rows, places = rows[order], places[order]
    starts = np.searchsorted(rows, rows)
    limits = np.where(weight[order] >= sure, _MAX_SURE_PARTNERS, MAX_PARTNERS)
    is_best = np.arange(len(rows)) - starts < limits
    return rows[is_best], places[is_best]


def band_prints(prints: Iterable[RowPrint], template: Frames, plan: BandPlan) -> Any:
    """Bands of what is asked in each row apart from its frame; of all of it where nothing else is.

    uint32 (rows, NUM_BANDS).
    """
    used = []
    for one in prints:
        rest = np.setdiff1d(one.asked, template.find(one.asked), assume_unique=True)
        used.append(rest if len(rest) else one.asked)
    starts = np.append(0, np.cumsum([len(one) for one in used])).astype(np.int64)
    return compute_bands(np.concatenate([np.empty(0, np.uint64), *used]), starts, plan)


def chunks(pairs: Candidates, size: int) -> Iterator[tuple[Numbers, Numbers]]:
    """The candidates of `size` rows at a time: rows and places."""
    distinct = np.unique(pairs.rows)
    order = np.argsort(pairs.rows, kind="stable")
    rows, places = pairs.rows[order], pairs.places[order]
    for start in range(0, len(distinct), size):
        own = distinct[start : start + size]
        part = slice(np.searchsorted(rows, own[0]), np.searchsorted(rows, own[-1], side="right"))
        yield rows[part], places[part]
