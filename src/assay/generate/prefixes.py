"""Chooses which sequences stand in a batch, so that what they begin with is computed once.

Sequences in the order of their tokens are a walk through a tree: each shares its beginning with the
one before it (`assay.data.shared`). It knows no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from assay.data.pack import pack_lengths
from assay.data.shared import count_shared

TOKEN_BUDGET = 4096
SPREAD_BUDGET = 4 * TOKEN_BUDGET
"""Tokens of the sequences written out, which attention sees."""
LEAST_SHARED = 0.1
"""Share of tokens that must be saved: attention with shared beginnings copies keys and values."""


def plan_batches(
    sequences: Sequence[Sequence[int]], *, share: bool = True, token_budget: int = TOKEN_BUDGET
) -> list[list[int]]:
    """Which sequences (by index) form each batch of about `token_budget` computed tokens.

    With `share`, and where it saves enough, neighbours in the order of their tokens stand together;
    else they are packed by length alone.
    """
    order = sorted(range(len(sequences)), key=lambda index: tuple(sequences[index]))
    pairs = pairwise(sequences[index] for index in order)
    shared = [0, *(count_shared(left, right) for left, right in pairs)][: len(order)]
    if not share or sum(shared) < LEAST_SHARED * sum(map(len, sequences)):
        return pack_lengths([len(ids) for ids in sequences], token_budget=token_budget)
    batches: list[list[int]] = []
    computed = spread = 0
    for index, saved in zip(order, shared, strict=True):
        length = len(sequences[index])
        is_full = computed + length - saved > token_budget or spread + length > SPREAD_BUDGET
        if not batches or is_full:
            batches.append([])
            computed = spread = saved = 0
        batches[-1].append(index)
        computed += length - saved
        spread += length
    return batches
