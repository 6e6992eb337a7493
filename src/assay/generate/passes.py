"""Forward passes over given sequences: hidden states of the positions that somebody asks for.

No row is padded, and common beginnings of sequences are computed once. Shape legend: T computed
tokens, U tokens of the sequences written out, N asked positions, S sequences, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from assay.data.shared import SharedBatch, build_shared
from assay.generate.prefixes import plan_batches
from assay.models.forward import (
    BatchTensors,
    build_spread,
    can_share,
    compute_supervised_hidden,
    packed_mode,
)

Tokens = Sequence[int]


@dataclass(frozen=True)
class Seen:
    """Final hidden states of one batch, before the output head.

    Attributes:
        owners: N indices of the sequences, as given.
        positions: N places in those sequences.
        hidden_ND: the model's hidden states there, as the head takes them.
    """

    owners: list[int]
    positions: list[int]
    hidden_ND: Tensor


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """`model` in evaluation mode, packed and without autograd, for a while.

    No tensor of inference mode is made: what a layer keeps may be needed by a training step later.
    """
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), packed_mode(model):
            yield
    finally:
        model.train(training)


def iterate_hidden(
    model: Any, sequences: Sequence[Tokens], positions: Sequence[Sequence[int]]
) -> Iterator[Seen]:
    """Hidden states at `positions` of each sequence, batch by batch; within `evaluation_mode`.

    Sequences without asked positions are not run.
    """
    asked = [index for index in range(len(sequences)) if positions[index]]
    for indices, batch in iterate_batches(model, [sequences[index] for index in asked]):
        own = [asked[index] for index in indices]
        where = [(owner, position) for owner in own for position in positions[owner]]
        places_N = torch.tensor(
            [
                batch.places[start + position]
                for start, owner in zip(find_starts(batch), own, strict=True)
                for position in positions[owner]
            ]
        )
        # Each place once and in order: a decoder that ignores the positions gives all T of them.
        once, back_N = torch.unique(places_N, return_inverse=True)
        tensors = load_shared(batch, next(model.parameters()).device, once.tolist())
        hidden_ND = compute_supervised_hidden(model, tensors)
        if len(once) < len(places_N):
            hidden_ND = hidden_ND[back_N.to(hidden_ND.device)]
        owners, at = zip(*where, strict=True)
        yield Seen(list(owners), list(at), hidden_ND)


def iterate_batches(
    model: Any, sequences: Sequence[Tokens]
) -> Iterator[tuple[list[int], SharedBatch]]:
    """Every batch with the indices of its sequences."""
    share = can_share(model)
    for indices in plan_batches(sequences, share=share):
        yield indices, build_shared([sequences[index] for index in indices], share=share)


def load_shared(batch: SharedBatch, device: torch.device, places: Sequence[int]) -> BatchTensors:
    """The batch on `device`, asked at `places` (of its T tokens)."""

    def integers(values: Sequence[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=device)

    return BatchTensors(
        integers(batch.input_ids)[None],
        integers(batch.position_ids)[None],
        batch.sequence_lengths,
        target_positions_N=integers(places),
        target_ids_N=integers([]),
        target_weights_N=torch.zeros(0, device=device),
        spread=build_spread(batch.places, len(batch.input_ids), device)
        if batch.is_shared
        else None,
    )


def find_starts(batch: SharedBatch) -> list[int]:
    """Where each sequence begins among those written out."""
    starts, total = [], 0
    for length in batch.sequence_lengths:
        starts.append(total)
        total += length
    return starts
