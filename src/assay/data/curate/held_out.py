"""Everything that must not be trained on, as numbers: rows of held-out parts and fingerprints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.data.curate.alike import read_rows
from assay.data.curate.bands import BandPlan
from assay.data.curate.detector import Evidence
from assay.data.curate.fingerprints import Fingerprint, read_fingerprint
from assay.data.curate.leak_prints import RowPrint, print_rows
from assay.data.curate.marks import Marks, join_marks
from assay.data.curate.words import Numbers


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows in one numbering: those of the data first, then those of fingerprints.

    `numbers` are those of the rows of the data.
    """

    marks: Marks
    numbers: Numbers
    fingerprints: Sequence[Fingerprint]
    evidence: Evidence

    def read_prints(self, places: Sequence[int]) -> dict[int, RowPrint]:
        """Rows as numbers, by their place."""
        found: dict[int, RowPrint] = {}
        own = [place for place in places if place < len(self.numbers)]
        prints = [
            one for rows in read_rows(self.evidence, self.numbers[own]) for one in print_rows(rows)
        ]
        found |= dict(zip(own, prints, strict=True))
        for place in places:
            if place >= len(self.numbers):
                fingerprint, row = self._find(place)
                found[place] = fingerprint.get_print(row)
        return found

    def describe(self, place: int) -> str:
        """Where a row stands, in words."""
        if place < len(self.numbers):
            return self.evidence.place(int(self.numbers[place]))
        fingerprint, row = self._find(place)
        return f"row {row + 1} of the fingerprint {fingerprint.name}"

    def list_related(self, place: int) -> tuple[int, ...]:
        """The row's number, where it has one."""
        return (int(self.numbers[place]),) if place < len(self.numbers) else ()

    def _find(self, place: int) -> tuple[Fingerprint, int]:
        place -= len(self.numbers)
        for fingerprint in self.fingerprints:
            if place < len(fingerprint):
                return fingerprint, place
            place -= len(fingerprint)
        raise AssertionError("a place beyond the last row")


def collect_held_out(evidence: Evidence, plan: BandPlan) -> HeldOut | None:
    """All held-out rows, or None where there are none."""
    sketches = [one for one in evidence.sketches() if not one["is_train"]]
    fingerprints = [
        read_fingerprint(name, path, plan) for name, path in evidence.given.fingerprints.items()
    ]
    parts = [*sketches, *(one.marks for one in fingerprints)]
    if not parts:
        return None
    numbers = [np.empty(0, np.int64), *(one["number"] for one in sketches)]
    return HeldOut(join_marks(parts), np.concatenate(numbers), fingerprints, evidence)
