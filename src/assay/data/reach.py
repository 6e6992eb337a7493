"""Which training rows a run of few steps will reach, seeded; it renders nothing.

A run of `train.max_steps` on a very large file sees a small part of it, and rendering the rest
would take most of its time. What is left out is then in no report, hash or mask: what is counted
is what is used. Smaller files are rendered whole, since there all rows deserve their check.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import ceil

from assay.data.records import Record

MIN_ROWS = 50_000
"""Fewer training rows are all rendered: that takes seconds."""
# Rows are left out later too, being too long, say; with fewer than needed, a second epoch begins.
_MARGIN = 1.25
_MORE = 64


def select_reached(records: Sequence[Record], *, num_needed: int, seed: int) -> list[Record]:
    """A sample of the records for a run that draws `num_needed`, in their order; or all of them.

    All, where there are fewer than `MIN_ROWS`, or where the sample would be more than half.
    """
    wanted = ceil(_MARGIN * num_needed) + _MORE
    if len(records) < MIN_ROWS or 2 * wanted > len(records):
        return list(records)
    chosen = random.Random(f"reached:{seed}").sample(range(len(records)), wanted)
    return [records[index] for index in sorted(chosen)]
