"""Sequences end to end of which common beginnings stand there once; it knows no torch.

A sequence shares its beginning with the one before it. Its tokens up to there are already in the
batch, so it adds only the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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


def build_shared(sequences: Sequence[Sequence[int]], *, share: bool = True) -> SharedBatch:
    """One batch of non-empty sequences, in this order; each shares what it can with the last."""
    batch = SharedBatch([], [], [], [])
    before: Sequence[int] = ()
    own: list[int] = []
    for ids in sequences:
        num_shared = count_shared(before, ids) if share else 0
        first = len(batch.input_ids)
        own = own[:num_shared] + list(range(first, first + len(ids) - num_shared))
        batch.input_ids.extend(ids[num_shared:])
        batch.position_ids.extend(range(num_shared, len(ids)))
        batch.sequence_lengths.append(len(ids))
        batch.places.extend(own)
        before = ids
    return batch


def count_shared(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return place
    return min(len(left), len(right))
