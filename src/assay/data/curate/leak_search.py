"""Finds which held-out rows a training row may have been taken from; it judges none.

Candidates share a MinHash band of what is asked, or a print of what is said that few rows have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from assay.data.curate.bands import BandPlan, compute_bands
from assay.data.curate.detector import Sketch
from assay.data.curate.leak_prints import RowPrint, count_common
from assay.data.curate.marks import Marks
from assay.data.curate.words import Numbers

# How many held-out rows one training row is compared with, most alike first.
MAX_PARTNERS = 8
# Held-out rows of one bucket or print that are looked at; with more, it says too little.
MAX_POSTINGS = 8
# A shared band says as much as so many shared prints.
_BAND_WEIGHT = 4


@dataclass(frozen=True)
class Postings:
    """For each of some values, in order, the places that have it: those from one start on."""

    values: Numbers
    starts: Numbers
    places: Numbers

    @classmethod
    def build(cls, values: Numbers, places: Numbers) -> Postings:
        """Of values and their places, in any order; a place that has a value twice counts once."""
        order = np.lexsort((places, values))
        values, places = values[order], places[order]
        is_new = np.append(True, (values[1:] != values[:-1]) | (places[1:] != places[:-1]))
        values, places = values[is_new[: len(values)]], places[is_new[: len(places)]]
        distinct, starts = np.unique(values, return_index=True)
        return cls(distinct, np.append(starts, len(values)), places)

    @property
    def counts(self) -> Numbers:
        """Places of each value."""
        return np.diff(self.starts)

    def look_up(self, values: Numbers) -> tuple[Numbers, Numbers]:
        """Positions of values that are known, and which of the known ones each is."""
        if not len(self.values):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        at = np.minimum(np.searchsorted(self.values, values), len(self.values) - 1)
        positions = np.flatnonzero(self.values[at] == values)
        return positions, at[positions]

    def expand(self, rows: Numbers, at: Numbers) -> tuple[Numbers, Numbers]:
        """Each row with each of at most `MAX_POSTINGS` places of its value."""
        counts = np.minimum(self.counts[at], MAX_POSTINGS)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(rows, counts), self.places[np.repeat(self.starts[at], counts) + within]


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
        is_telling = self._find_telling(sketches(), num_rows)
        found = [self._search(sketch, is_telling) for sketch in sketches()]
        rows, places, crowded = (list(column) for column in zip(*found, strict=True))
        return Candidates(*(np.concatenate(column) for column in (rows, places, crowded)))

    def _find_telling(self, sketches: Iterable[Sketch], num_rows: int) -> Numbers:
        """Whether a print is that of few training rows, and of few held-out ones."""
        counts = np.zeros(len(self.prints.values), np.int64)
        for sketch in sketches:
            _, at = self._look_up_prints(sketch)
            counts += np.bincount(at, minlength=len(counts))
        is_rare = counts <= count_common(num_rows)
        telling: Numbers = is_rare & (self.prints.counts <= count_common(len(self.marks)))
        return telling

    def _look_up_prints(self, sketch: Sketch) -> tuple[Numbers, Numbers]:
        """Each row of the sketch with each known print that it has."""
        positions, at = self.prints.look_up(sketch["print"])
        rows = sketch["print_row"][positions].astype(np.int64)
        is_kept = ~np.isin(sketch["number"][rows], self.without)
        pairs = np.unique((rows[is_kept] << 32) | at[is_kept])
        return pairs >> 32, pairs & 0xFFFFFFFF

    def _search(self, sketch: Sketch, is_telling: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        rows, at = self._look_up_prints(sketch)
        told = is_telling[at]
        by_print = self.prints.expand(rows[told], at[told])
        own = np.flatnonzero(sketch["has_bands"] & ~np.isin(sketch["number"], self.without))
        by_band, crowded = self.match_bands(sketch["bands"][own], own)
        weights = np.repeat([1, _BAND_WEIGHT], [len(by_print[0]), len(by_band[0])])
        pairs = (np.append(by_print[0], by_band[0]) << 32) | np.append(by_print[1], by_band[1])
        best_rows, places = choose_partners(pairs, weights)
        return sketch["number"][best_rows], places, sketch["number"][crowded]

    def match_bands(self, bands: Any, rows: Numbers) -> tuple[tuple[Numbers, Numbers], Numbers]:
        """Each row with held-out rows that share a band, and rows that share one with too many."""
        found_rows, found_places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        crowded = [np.empty(0, np.int64)]
        for column, postings in zip(bands.T, self.bands, strict=True):
            positions, at = postings.look_up(column)
            own, places = postings.expand(rows[positions], at)
            found_rows.append(own)
            found_places.append(places)
            crowded.append(rows[positions[postings.counts[at] > MAX_POSTINGS]])
        pairs = np.concatenate(found_rows), np.concatenate(found_places)
        return pairs, np.unique(np.concatenate(crowded))


def choose_partners(pairs: Numbers, weights: Numbers) -> tuple[Numbers, Numbers]:
    """Rows and places of the heaviest `MAX_PARTNERS` pairs of each row, rows in order."""
    distinct, which = np.unique(pairs, return_inverse=True)
    weight = np.bincount(which, weights=weights, minlength=len(distinct))
    rows, places = distinct >> 32, distinct & 0xFFFFFFFF
    order = np.lexsort((places, -weight, rows))
    rows, places = rows[order], places[order]
    starts = np.searchsorted(rows, rows)
    is_best = np.arange(len(rows)) - starts < MAX_PARTNERS
    return rows[is_best], places[is_best]


def band_prints(prints: Iterable[RowPrint], template: Numbers, plan: BandPlan) -> Any:
    """Bands of what is asked in each row apart from a template; of all of it where nothing else is.

    uint32 (rows, NUM_BANDS).
    """
    used = []
    for one in prints:
        rest = np.setdiff1d(one.asked, template, assume_unique=True)
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
