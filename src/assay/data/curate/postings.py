"""Values and the places that have them, looked up by NumPy; it knows neither rows nor rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay.data.curate.words import Numbers


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

    def expand(self, rows: Numbers, at: Numbers, *, most: int) -> tuple[Numbers, Numbers]:
        """Each row with each of at most so many places of its value."""
        counts = np.minimum(self.counts[at], most)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(rows, counts), self.places[np.repeat(self.starts[at], counts) + within]
