"""How much better the chosen answer of a pair is said to be: a column for reward models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from assay.config.sections.objective import RewardConfig
from assay.data import Record, TokenSequence
from assay.errors import Problem
from assay.pipeline.job import Job

MARGIN = "margin"


def find_margin_problems(job: Job, parts: dict[str, list[Record]]) -> list[Problem]:
    """Margins of training and validation rows that are no numbers, where the objective reads them.

    A row without one has the margin 0.
    """
    if not isinstance(job.recipe.objective, RewardConfig):
        return []
    return [
        record.locate(
            Problem(
                key=MARGIN,
                got=repr(record.extra[MARGIN]),
                allowed="a finite number, by which the chosen answer's reward is to be the greater",
                do="write a number, or remove the column",
            )
        )
        for name in ("train", "validation")
        for record in parts.get(name, [])
        if record.extra.get(MARGIN) is not None and not _is_number(record.extra[MARGIN])
    ]


def add_margins(
    job: Job, records: Sequence[Record], sequences: Sequence[TokenSequence]
) -> list[TokenSequence]:
    """The sequences with the margins of their rows, where the objective reads them."""
    known = {
        record.id: float(record.extra[MARGIN])
        for record in records
        if record.extra.get(MARGIN) is not None
    }
    if not (known and isinstance(job.recipe.objective, RewardConfig)):
        return list(sequences)
    return [replace(one, margin=known.get(one.record_id, 0.0)) for one in sequences]


def count_margins(sequences: Sequence[TokenSequence]) -> int:
    """Sequences with a margin other than 0."""
    return sum(one.margin != 0 for one in sequences)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
