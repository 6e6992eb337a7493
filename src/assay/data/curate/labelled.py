"""Rows whose answer is one of a closed set of labels, and what may be said against one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from assay.data.curate.batch import CheckedRow
from assay.data.curate.detector import Evidence

MIN_ROWS = 40
MAX_LABELS = 100

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Labelled:
    """Rows whose answer is a label, in order.

    `classes` counts labels from 0; `answers` is each label as most rows write it.
    """

    numbers: Numbers
    classes: Numbers
    answers: Sequence[str]


def gather_labelled(
    evidence: Evidence, numbers: Numbers, digests: Any, closed: Any
) -> Labelled | None:
    """The rows of the most frequent labels, or None where there is no closed set to speak of.

    Args:
        digests: uint64 (rows,), of each row's short answer, 0 for none.
        closed: uint64, digests of the labels that recur, in order.
    """
    counts = np.array([np.count_nonzero(digests == one) for one in closed], np.int64)
    kept = np.sort(closed[np.argsort(-counts, kind="stable")[:MAX_LABELS]])
    chosen = np.flatnonzero(np.isin(digests, kept))
    if len(kept) < 2 or len(chosen) < MIN_ROWS:
        return None
    order = chosen[np.argsort(numbers[chosen], kind="stable")]
    classes = np.searchsorted(kept, digests[order]).astype(np.int64)
    firsts = numbers[order][np.unique(classes, return_index=True)[1]].tolist()
    rows = evidence.rows(firsts)
    answers = [str(rows[one].record.messages[-1]["content"]) for one in firsts]
    return Labelled(numbers[order], classes, answers)


def read_asked(row: CheckedRow) -> str:
    """What was asked, without system prompts and earlier answers."""
    messages = row.record.messages[:-1]
    return "\n".join(str(one.get("content") or "") for one in messages if one["role"] == "user")


class Doubt(NamedTuple):
    """The label that is contradicted by another, why, and the rows that tell it.

    What is not certain enough to relabel is for a person to decide.
    """

    label: int
    why: str
    is_certain: bool = True
    related: tuple[int, ...] = ()


Found = Mapping[int, Doubt]
"""By place among the labelled rows."""
