"""General rows for replay and for the anchor: how many, and which."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from assay.data.records import Record

TINY_ROWS = Path(__file__).with_name("tiny_general.jsonl")
"""Rows of what `tiny` can do, written by `assay.lab.general`."""
TINY_SKILLS = Path(__file__).with_name("tiny_skills.jsonl")
"""Further rows of its skills, which a repair tunes on beside them."""
CHOOSING = Path(__file__).with_name("choosing")
"""Suite rows a kind (``tiny_retention.jsonl``), by which a repair of `tiny` is chosen, written by
`assay.lab.choosing`; no gate and no general row asks the same."""


def count_general(num_rows: int, *, replay: float, anchors: float) -> tuple[int, int]:
    """How many rows are replayed and how many anchor, beside `num_rows` of the task.

    `replay` is their share of what is learned from, `anchors` that of all rows then; both from 0 to
    0.5. Of a share above 0 there is at least one row.
    """
    num_replayed = _count_beside(num_rows, replay)
    return num_replayed, _count_beside(num_rows + num_replayed, anchors)


def _count_beside(num_rows: int, share: float) -> int:
    return max(1, round(share / (1 - share) * num_rows)) if share else 0


def draw_general(
    records: Sequence[Record], *, num_replayed: int, num_anchors: int, seed: int
) -> list[Record]:
    """Records to replay, then records that anchor, drawn by `seed` from opposite ends.

    While both together are no more than `records`, none is drawn twice; then each is drawn equally
    often, but for one.
    """
    order = list(records)
    random.Random(f"general:{seed}").shuffle(order)
    replayed = [replace(record, role="extra") for record in order]
    anchored = [replace(record, role="anchor") for record in reversed(order)]
    return [
        *(replayed[k % len(order)] for k in range(num_replayed)),
        *(anchored[k % len(order)] for k in range(num_anchors)),
    ]
