"""Rows that are almost the same as an earlier one: a few words changed, added or left out.

Every row leaves its MinHash bands; rows that share one are read again and compared exactly. Word
for word the same rows are of `exact_duplicate` alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assay.data.curate.bands import LEAST_THRESHOLD, NUM_BANDS, BandPlan, Bands, compute_bands
from assay.data.curate.batch import Batch
from assay.data.curate.detector import Detector, Evidence, Given, Sketch
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.near_pairs import NearRows
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


def is_ready(given: Given, settings: Settings) -> str | None:
    """It always is; options that make no sense are refused."""
    require_range(settings, NEAR_DUPLICATE.name, "threshold", least=LEAST_THRESHOLD, most=1)
    require_range(settings, NEAR_DUPLICATE.name, "ngram", least=1)
    return None


def sketch_near(batch: Batch, settings: Settings) -> Sketch:
    """Bands of each training row of enough words, with its number and its digest's first bytes."""
    length = settings.option(NEAR_DUPLICATE.name, "ngram")
    plan = BandPlan(settings.option(NEAR_DUPLICATE.name, "threshold"))
    rows = [place for place, row in enumerate(batch.rows) if row.part == "train"]
    _, words, starts = batch.spoken
    kept, bounds = drop_nothing(hash_sequences(words.hashes, starts, length), starts)
    filled = np.array([one for one in rows if bounds[one + 1] > bounds[one]], np.int64)
    numbers = np.array([row.number for row in batch.rows], np.int64)
    bands = compute_bands(kept, bounds, plan) if len(filled) else np.empty((0, NUM_BANDS))
    return {
        "number": numbers[filled],
        "digest": np.array(batch.digests, np.uint64).reshape(-1, 2)[filled, 0],
        "bands": bands.astype(np.uint32)[filled],
    }


def find_near(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Each row that is joined to an earlier one, by the likest of those it was compared with."""
    numbers, bands = _load_distinct(evidence)
    length = settings.option(NEAR_DUPLICATE.name, "ngram")
    threshold = settings.option(NEAR_DUPLICATE.name, "threshold")
    clusters = NearRows(evidence, numbers, bands, length, threshold).find_clusters()
    for row, first, partner in clusters.list_later():
        keeper, near = int(numbers[first]), int(numbers[partner.row])
        apart = ", apart from what many rows hold alike" if partner.likeness.has_frame else ""
        yield Hit(
            int(numbers[row]),
            NEAR_DUPLICATE.name,
            f"{partner.likeness.share:.0%} of its {length}-word sequences and of those of "
            f"{evidence.place(near)} stand in both{apart}",
            related=tuple(dict.fromkeys((keeper, near))),
            cluster=f"near {evidence.place(keeper)}",
        )


def _load_distinct(evidence: Evidence) -> tuple[Numbers, Bands]:
    """Numbers and bands of all training rows, of copies the first alone."""
    sketches = list(evidence.sketches())
    if not sketches:
        return np.empty(0, np.int64), np.empty((0, NUM_BANDS), np.uint32)
    digests = np.concatenate([one["digest"] for one in sketches])
    _, firsts = np.unique(digests, return_index=True)
    firsts.sort()
    numbers = np.concatenate([one["number"] for one in sketches])[firsts]
    return numbers, np.concatenate([one["bands"] for one in sketches])[firsts]


DETECTORS = (
    Detector(
        "near",
        (NEAR_DUPLICATE,),
        sketch=sketch_near,
        conclude=find_near,
        version=2,
        is_ready=is_ready,
    ),
)
