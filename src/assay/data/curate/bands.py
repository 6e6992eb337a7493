"""MinHash signatures in bands: rows that are alike most likely share one; it decides nothing.

Broder 1997, "On the resemblance and containment of documents"; the bands are those of Leskovec,
Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.data.curate.words import Numbers, mix

NUM_BANDS = 16
MAX_BAND_ROWS = 16
LEAST_THRESHOLD = 0.25
"""Below it, bands of a single value miss pairs at the threshold."""
_SEED = 20
# The share of pairs right at the threshold that must share a band.
_RECALL = 0.985
# A row is compared with the first row of its bucket, and with as many after it.
_NEIGHBOURS = 3

Bands = np.ndarray[tuple[int, int], np.dtype[np.uint32]]


@dataclass(frozen=True)
class BandPlan:
    """How many values of a signature make a band: the most that still find pairs at `threshold`."""

    threshold: float

    @property
    def num_values(self) -> int:
        """The values of each band, from 1."""
        for count in range(MAX_BAND_ROWS, 1, -1):
            if 1 - (1 - self.threshold**count) ** NUM_BANDS >= _RECALL:
                return count
        return 1


def compute_bands(sequences: Numbers, starts: Numbers, plan: BandPlan) -> Bands:
    """The bands of each group of sequences, uint32 (groups, NUM_BANDS).

    Args:
        sequences: uint64, those of all groups.
        starts: int64 (groups + 1,).
    """
    import rensa

    num_values = NUM_BANDS * plan.num_values
    # A group without sequences gets a signature too; who calls leaves such groups out.
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
        np.ascontiguousarray(sequences, np.uint64), starts.astype(np.uint64), num_values, _SEED
    )
    values: Any = np.array(matrix.to_rows(), np.uint64).reshape(-1, NUM_BANDS, plan.num_values)
    joined = np.zeros(values.shape[:2], np.uint64)
    for index in range(plan.num_values):
        joined = mix(joined + values[:, :, index])
    return (joined >> np.uint64(32)).astype(np.uint32)


def find_pairs(bands: Bands, *, max_bucket: int) -> tuple[Numbers, Numbers]:
    """Pairs of rows that share a band, and rows of which some band is shared by too many.

    Of a bucket, each row is paired with the first and with the few after it: what is alike is
    joined in chains, and a bucket costs no more than its size. A bucket of more than `max_bucket`
    rows makes no pairs.

    Returns:
        int64 (pairs, 2), the lesser row first; int64 (rows,), both in order.
    """
    found = np.empty(0, np.int64)
    crowded = np.zeros(len(bands), bool)
    for column in range(bands.shape[1]):
        band = bands[:, column]
        order = np.argsort(band, kind="stable")
        values = band[order]
        firsts, sizes = _find_groups(values)
        crowded[order[sizes > max_bucket]] = True
        own = list(_pair_within(order, firsts, sizes, max_bucket))
        found = np.unique(np.concatenate([found, *own]))
    pairs = np.stack([found >> 32, found & 0xFFFFFFFF], axis=1)
    return pairs, np.flatnonzero(crowded)


def _find_groups(values: Numbers) -> tuple[Numbers, Numbers]:
    """For each of sorted values where its equals begin, and how many there are."""
    is_first = np.append(True, values[1:] != values[:-1])[: len(values)]
    starts = np.flatnonzero(is_first)
    sizes = np.diff(np.append(starts, len(values)))
    return np.repeat(starts, sizes), np.repeat(sizes, sizes)


def _pair_within(
    order: Numbers, firsts: Numbers, sizes: Numbers, max_bucket: int
) -> Iterator[Numbers]:
    """Both numbers of each pair in one int64; a stable order has the lesser one first."""
    places = np.arange(len(order))
    for back in range(1, _NEIGHBOURS + 1):
        later = np.flatnonzero((places - back >= firsts) & (sizes <= max_bucket))
        yield (order[later - back] << 32) | order[later]
    later = np.flatnonzero((places - _NEIGHBOURS > firsts) & (sizes <= max_bucket))
    yield (order[firsts[later]] << 32) | order[later]
