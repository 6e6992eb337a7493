"""Which rows are near duplicates: candidates by bands, each pair read again and compared exactly.

Likeness is Jaccard's index of the sequences of words, apart from the frame that both stand in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from assay.data.curate.alike import list_sequences, measure_likeness, read_rows, sample_rows
from assay.data.curate.bands import BandPlan, Bands, compute_bands, find_pairs
from assay.data.curate.detector import Evidence
from assay.data.curate.frames import Frames
from assay.data.curate.near_clusters import Likeness, NearClusters, Pair
from assay.data.curate.words import Numbers

# What stands in as many rows, of all and at least, may be a frame.
FRAME_SHARE = 0.02
FRAME_ROWS = 50
_PAIRS_AT_ONCE = 10_000


@dataclass(frozen=True)
class NearRows:
    """Rows whose near duplicates are looked for.

    Attributes:
        numbers: int64 (rows,), in order.
        bands: uint32 (rows, NUM_BANDS).
        length: words of a sequence.
        threshold: the likeness from which on two rows are near.
    """

    evidence: Evidence
    numbers: Numbers
    bands: Bands
    length: int
    threshold: float

    def find_clusters(self) -> NearClusters:
        """All rows that are near another one, by their place in `numbers`."""
        clusters = NearClusters()
        min_rows = max(FRAME_ROWS, FRAME_SHARE * len(self.numbers))
        pairs, crowded = find_pairs(self.bands, max_bucket=int(min_rows))
        if not len(pairs) and not len(crowded):
            return clusters
        frames = self._learn_frames(min_rows / len(self.numbers))
        if len(crowded):
            own = self._band_within(self.numbers[crowded], frames)
            more, _ = find_pairs(own, max_bucket=len(own))
            pairs = np.unique(np.concatenate([pairs, crowded[more]]), axis=0)
        for start in range(0, len(pairs), _PAIRS_AT_ONCE):
            chunk = clusters.list_open(pairs[start : start + _PAIRS_AT_ONCE].tolist())
            sets = self._read_sets(chunk)
            for first, second in chunk:
                likeness = compare(sets[first], sets[second], frames, threshold=self.threshold)
                if likeness:
                    clusters.join(first, second, likeness)
        return clusters

    def _learn_frames(self, min_share: float) -> Frames:
        sample = [
            one
            for rows in sample_rows(self.evidence, self.numbers)
            for one in list_sequences(rows, self.length)
        ]
        return Frames.learn(sample, min_share)

    def _band_within(self, numbers: Numbers, frames: Frames) -> Bands:
        """Bands of rows that share some with very many, made of what they hold in their frame.

        Where a row holds nothing else, its bands are of the frame.
        """
        found = []
        for rows in read_rows(self.evidence, numbers):
            sets = list_sequences(rows, self.length)
            rests = [np.setdiff1d(one, frames.find(one), assume_unique=True) for one in sets]
            used = [rest if len(rest) else whole for rest, whole in zip(rests, sets, strict=True)]
            starts = np.append(0, np.cumsum([len(one) for one in used])).astype(np.int64)
            found.append(compute_bands(np.concatenate(used), starts, BandPlan(self.threshold)))
        return np.concatenate(found)

    def _read_sets(self, pairs: Iterable[Pair]) -> dict[int, Numbers]:
        """The sequences of each row of the pairs."""
        wanted = sorted({one for pair in pairs for one in pair})
        sets = [
            one
            for rows in read_rows(self.evidence, self.numbers[wanted])
            for one in list_sequences(rows, self.length)
        ]
        return dict(zip(wanted, sets, strict=True))


def compare(
    first: Numbers, second: Numbers, frames: Frames, *, threshold: float
) -> Likeness | None:
    """How alike two sets of sequences are, or None below the threshold.

    The frame that both stand in is left out, unless one of them holds nothing else; without it
    two rows are never more alike than with it.
    """
    plain = measure_likeness(first, second)
    if plain < threshold:
        return None
    frame = frames.find(np.intersect1d(first, second, assume_unique=True))
    if not len(frame) or len(frame) == min(len(first), len(second)):
        return Likeness(plain, has_frame=False)
    own, other = (np.setdiff1d(one, frame, assume_unique=True) for one in (first, second))
    apart = measure_likeness(own, other)
    return Likeness(apart, has_frame=True) if apart >= threshold else None
