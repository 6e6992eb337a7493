"""What stands around the text proper in many rows alike: an instruction, a greeting, a form.

Single sequences of words that many rows hold are no frame yet: a desk that writes from a stock of
sentences has each of them in many rows, and no two rows made of the same ones. A frame is what many
rows hold all together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.data.curate.alike import find_common
from assay.data.curate.words import Numbers


@dataclass(frozen=True)
class Frames:
    """Sequences that many rows of a sample hold, and which rows those are.

    Attributes:
        common: uint64 (sequences,), in order.
        holders: uint8 (sequences, bytes), a bit for each row of the sample.
        least: rows of the sample that must hold a frame.
    """

    common: Numbers
    holders: Any
    least: float

    @classmethod
    def learn(cls, sets: Sequence[Numbers], min_share: float) -> Frames:
        """From the sequences of some rows; a frame stands in `min_share` of them or more."""
        common = find_common(sets, min_share)
        holders = np.zeros((len(common), (len(sets) + 7) // 8), np.uint8)
        for row, own in enumerate(sets):
            holders[_locate(common, own), row // 8] |= np.uint8(1 << row % 8)
        return cls(common, holders, min_share * len(sets))

    def find(self, own: Numbers) -> Numbers:
        """Of some sequences those that make a frame, in order.

        The most common ones, as many of them as enough rows hold all together.
        """
        known = _locate(self.common, own)
        if not len(known):
            return np.empty(0, np.uint64)
        held = self.holders[known]
        order = np.argsort(-_count_bits(held), kind="stable")
        together = _count_bits(np.bitwise_and.accumulate(held[order], axis=0))
        frame: Numbers = np.sort(self.common[known[order[together >= self.least]]])
        return frame


def _locate(common: Numbers, own: Numbers) -> Numbers:
    """Where those of some sequences stand that are common."""
    if not len(common):
        return np.empty(0, np.int64)
    at = np.minimum(np.searchsorted(common, own), len(common) - 1)
    found: Numbers = at[common[at] == own]
    return found


def _count_bits(holders: Any) -> Numbers:
    counts: Numbers = np.bitwise_count(holders).sum(axis=1, dtype=np.int64)
    return counts
