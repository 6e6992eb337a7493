"""Rows that are almost the same as an earlier one: a few words changed, added or left out.

Every row leaves its MinHash bands; rows that share one are read again and compared exactly. Word
for word the same rows are of `exact_duplicate` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from assay.data.curate.alike import (
    find_common,
    list_sequences,
    measure_likeness,
    read_rows,
    sample_rows,
)
from assay.data.curate.bands import LEAST_THRESHOLD, BandPlan, Bands, compute_bands, find_pairs
from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Detector, Evidence, Given, Sketch
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.settings import Settings, require_range
from assay.data.curate.words import Numbers, drop_nothing, hash_sequences

NEAR_DUPLICATE = Rule(
    "near_duplicate",
    "duplicates",
    "warning",
    "drop",
    "A training row that is almost the same as an earlier one: it weighs twice, and held-out rows "
    "drawn from the same data will be as near.",
    options={"threshold": 0.8, "ngram": 3},
)
# A sequence is a template's where it stands in as many rows, of all and at least.
TEMPLATE_SHARE = 0.02
TEMPLATE_ROWS = 50
_PAIRS_AT_ONCE = 10_000

Pair = tuple[int, int]


def is_ready(given: Given, settings: Settings) -> str | None:
    """It always is; options that make no sense are refused."""
    require_range(settings, NEAR_DUPLICATE.name, "threshold", least=LEAST_THRESHOLD, most=1)
    require_range(settings, NEAR_DUPLICATE.name, "ngram", least=1)
    return None


def sketch_near(batch: Batch, settings: Settings) -> Sketch:
    """Bands of each training row of enough words, with its number and its digest's first bytes."""
    length = settings.option(NEAR_DUPLICATE.name, "ngram")
    rows = [place for place, row in enumerate(batch.rows) if row.part == "train"]
    _, words, starts = batch.spoken
    kept, bounds = drop_nothing(hash_sequences(words.hashes, starts, length), starts)
    filled = np.array([one for one in rows if bounds[one + 1] > bounds[one]], np.int64)
    numbers = np.array([row.number for row in batch.rows], np.int64)
    bands = compute_bands(kept, bounds, _plan(settings)) if len(filled) else np.empty((0, 16))
    return {
        "number": numbers[filled],
        "digest": np.array(batch.digests, np.uint64).reshape(-1, 2)[filled, 0],
        "bands": bands.astype(np.uint32)[filled],
    }


def _plan(settings: Settings) -> BandPlan:
    return BandPlan(settings.option(NEAR_DUPLICATE.name, "threshold"))


def find_near(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Each row that is joined to an earlier one, by the likest of those it was compared with."""
    numbers, bands = _load_distinct(evidence)
    min_rows = max(TEMPLATE_ROWS, TEMPLATE_SHARE * len(numbers))
    pairs, crowded = find_pairs(bands, max_bucket=int(min_rows))
    if not len(pairs) and not len(crowded):
        return
    length = settings.option(NEAR_DUPLICATE.name, "ngram")

    def sequences_of(rows: Sequence[CheckedRow]) -> list[Numbers]:
        return list_sequences(rows, length)

    sample = [one for rows in sample_rows(evidence, numbers) for one in sequences_of(rows)]
    template = find_common(sample, min_rows / len(numbers))
    if len(crowded):
        own = _band_without(evidence, numbers[crowded], template, length, _plan(settings))
        more, _ = find_pairs(own, max_bucket=len(own))
        pairs = np.unique(np.concatenate([pairs, crowded[more]]), axis=0)
    clusters = _Clusters()
    threshold = settings.option(NEAR_DUPLICATE.name, "threshold")
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        chunk = clusters.list_open(pairs[start : start + _PAIRS_AT_ONCE].tolist())
        sets = _read_sets(evidence, numbers, chunk, sequences_of)
        for first, second in chunk:
            likeness = measure_likeness(sets[first], sets[second], template)
            if likeness >= threshold:
                clusters.join(first, second, likeness)
    yield from _report(clusters, numbers, evidence, length)


def _read_sets(
    evidence: Evidence,
    numbers: Numbers,
    pairs: Iterable[Pair],
    sequences_of: Callable[[Sequence[CheckedRow]], list[Numbers]],
) -> dict[int, Numbers]:
    """The sequences of each row of the pairs."""
    wanted = sorted({one for pair in pairs for one in pair})
    sets = [one for rows in read_rows(evidence, numbers[wanted]) for one in sequences_of(rows)]
    return dict(zip(wanted, sets, strict=True))


def _load_distinct(evidence: Evidence) -> tuple[Numbers, Bands]:
    """Numbers and bands of all training rows, of copies the first alone."""
    sketches = list(evidence.sketches())
    if not sketches:
        return np.empty(0, np.int64), np.empty((0, 1), np.uint32)
    digests = np.concatenate([one["digest"] for one in sketches])
    _, firsts = np.unique(digests, return_index=True)
    firsts.sort()
    numbers = np.concatenate([one["number"] for one in sketches])[firsts]
    return numbers, np.concatenate([one["bands"] for one in sketches])[firsts]


def _band_without(
    evidence: Evidence, numbers: Numbers, template: Numbers, length: int, plan: BandPlan
) -> Bands:
    """Bands of rows that share a template, made of what else they hold.

    Where a row holds nothing else, its bands are of the template.
    """
    found = []
    for rows in read_rows(evidence, numbers):
        sets = list_sequences(rows, length)
        rests = [np.setdiff1d(one, template, assume_unique=True) for one in sets]
        used = [rest if len(rest) else whole for rest, whole in zip(rests, sets, strict=True)]
        starts = np.append(0, np.cumsum([len(one) for one in used])).astype(np.int64)
        found.append(compute_bands(np.concatenate(used), starts, plan))
    return np.concatenate(found)


@dataclass
class _Clusters:
    """Rows that are joined, as a forest whose roots are the first rows.

    `partners` holds, for each row that was joined, one that it was found alike to, and how much.
    """

    parents: dict[int, int] = field(default_factory=dict)
    partners: dict[int, tuple[int, float]] = field(default_factory=dict)

    def root(self, row: int) -> int:
        """The first row of the cluster."""
        while (parent := self.parents.get(row, row)) != row:
            self.parents[row] = self.parents.get(parent, parent)
            row = parent
        return row

    def list_open(self, pairs: Iterable[Pair]) -> list[Pair]:
        """The pairs whose rows are not joined yet."""
        return [(one, two) for one, two in pairs if self.root(one) != self.root(two)]

    def join(self, first: int, second: int, likeness: float) -> None:
        """Make one cluster of two; an earlier partner tells more of a row than a later one."""
        low, high = sorted((self.root(first), self.root(second)))
        self.parents[high] = low
        for row, other in ((first, second), (second, first)):
            known = self.partners.get(row)
            if known is None or known[0] > row > other:
                self.partners[row] = (other, likeness)


def _report(
    clusters: _Clusters, numbers: Numbers, evidence: Evidence, length: int
) -> Iterator[Hit]:
    for row in sorted(clusters.parents):
        first, (other, likeness) = clusters.root(row), clusters.partners[row]
        if first == row:
            continue
        keeper, near = int(numbers[first]), int(numbers[other])
        yield Hit(
            int(numbers[row]),
            NEAR_DUPLICATE.name,
            f"{likeness:.0%} of its {length}-word sequences and of those of "
            f"{evidence.place(near)} stand in both",
            related=tuple(dict.fromkeys((keeper, near))),
            cluster=f"near {evidence.place(keeper)}",
        )


DETECTORS = (
    Detector("near", (NEAR_DUPLICATE,), sketch=sketch_near, conclude=find_near, is_ready=is_ready),
)
