"""Packs sequences so that what several of them begin with is computed once; it knows no torch.

Sequences in the order of their tokens are a walk through a tree: each shares its beginning with the
one before it. Its tokens up to there are already in the batch, so it adds only the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from assay.data.pack import pack_lengths

TOKEN_BUDGET = 4096
SPREAD_BUDGET = 4 * TOKEN_BUDGET
"""Tokens of the sequences written out, which attention sees."""
LEAST_SHARED = 0.1
"""Share of tokens that must be saved: attention with shared beginnings copies keys and values."""


@dataclass(frozen=True)
class SharedBatch:
    """Sequences end to end of which common beginnings stand there once.

    Shapes: T tokens that are computed, S sequences of U tokens together.

    * `input_ids`, `position_ids`: T integers; a position is the token's place in its sequences.
    * `sequence_lengths`: S integers that sum to U.
    * `places`: for each of the U tokens, which of the T it is.
    """

    input_ids: list[int]
    position_ids: list[int]
    sequence_lengths: list[int]
    places: list[int]

    @property
    def is_shared(self) -> bool:
        return len(self.places) > len(self.input_ids)


def plan_batches(
    sequences: Sequence[Sequence[int]], *, share: bool = True, token_budget: int = TOKEN_BUDGET
) -> list[list[int]]:
    """Which sequences (by index) form each batch of about `token_budget` computed tokens.

    With `share`, and where it saves enough, neighbours in the order of their tokens stand together;
    else they are packed by length alone.
    """
    order = sorted(range(len(sequences)), key=lambda index: tuple(sequences[index]))
    pairs = pairwise(sequences[index] for index in order)
    shared = [0, *(_count_shared(left, right) for left, right in pairs)][: len(order)]
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


def build_shared(sequences: Sequence[Sequence[int]], *, share: bool = True) -> SharedBatch:
    """One batch of non-empty sequences, in this order; each shares what it can with the last."""
    batch = SharedBatch([], [], [], [])
    before: Sequence[int] = ()
    own: list[int] = []
    for ids in sequences:
        num_shared = _count_shared(before, ids) if share else 0
        first = len(batch.input_ids)
        own = own[:num_shared] + list(range(first, first + len(ids) - num_shared))
        batch.input_ids.extend(ids[num_shared:])
        batch.position_ids.extend(range(num_shared, len(ids)))
        batch.sequence_lengths.append(len(ids))
        batch.places.extend(own)
        before = ids
    return batch


def _count_shared(left: Sequence[int], right: Sequence[int]) -> int:
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return place
    return min(len(left), len(right))
