"""Which training rows a model, or a slow measure, is asked about: a sample that a seed decides."""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Evidence, Sketch
from assay.data.curate.settings import Settings

_SEED = 20


def sketch_numbers(batch: Batch, settings: Settings) -> Sketch:
    """The numbers of the training rows."""
    numbers = [row.number for row in batch.rows if row.part == "train"]
    return {"number": np.array(numbers, np.int64)}


def draw_rows(evidence: Evidence, most: int) -> tuple[list[CheckedRow], int]:
    """At most so many training rows, in order, and how many there are."""
    kept = [one["number"] for one in evidence.sketches()]
    numbers: Any = np.concatenate(kept) if kept else np.empty(0, np.int64)
    chosen = numbers
    if len(numbers) > most:
        drawn = np.random.default_rng(_SEED).choice(len(numbers), most, replace=False)
        chosen = numbers[np.sort(drawn)]
    rows = evidence.rows(chosen.tolist())
    return [rows[number] for number in chosen.tolist()], len(numbers)


def read_dialogue(row: CheckedRow) -> str:
    """What user and assistant say in words, in order."""
    spoken = (one for one in row.record.messages if one["role"] in ("user", "assistant"))
    return "\n".join(str(one.get("content") or "") for one in spoken)
