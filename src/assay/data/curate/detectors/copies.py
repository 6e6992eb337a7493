"""Rows that stand in the data more than once, word for word."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assay.data.curate.batch import Batch
from assay.data.curate.detector import Detector, Evidence, Sketch
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.settings import Settings

EXACT_DUPLICATE = Rule(
    "exact_duplicate",
    "duplicates",
    "warning",
    "drop",
    "A training row that stands in the data before, but for white space: it weighs twice.",
)


def sketch_digests(batch: Batch, settings: Settings) -> Sketch:
    """The first 16 bytes of each training row's digest, as two uint64, and the rows' numbers."""
    rows = [place for place, row in enumerate(batch.rows) if row.part == "train"]
    return {
        "number": np.array([batch.rows[place].number for place in rows], np.int64),
        "digest": np.array([batch.digests[place] for place in rows], np.uint64).reshape(-1, 2),
    }


def find_copies(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Each row whose digest an earlier row has, with the first row that has it."""
    sketches = list(evidence.sketches())
    if not sketches:
        return
    numbers = np.concatenate([one["number"] for one in sketches])
    digests = np.concatenate([one["digest"] for one in sketches])
    order = np.lexsort((numbers, digests[:, 1], digests[:, 0]))
    same = (digests[order][1:] == digests[order][:-1]).all(axis=1)
    first = 0
    for index in np.flatnonzero(same) + 1:
        if not same[index - 2] or index == 1:
            first = int(numbers[order[index - 1]])
        number = int(numbers[order[index]])
        if evidence.place(number) == evidence.place(first):
            continue  # its source's weight has it drawn more often
        evidence_text = f"the same conversation as {evidence.place(first)}"
        yield Hit(number, EXACT_DUPLICATE.name, evidence_text, related=(first,))


DETECTORS = (Detector("copies", (EXACT_DUPLICATE,), sketch=sketch_digests, conclude=find_copies),)
