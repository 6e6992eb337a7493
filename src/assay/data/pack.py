"""Packs token sequences into padding-free batches; it knows nothing of text, templates or torch.

A training step is a set of sequences. `plan_epoch` says which sequences form each step, and
`pack_sequences` spreads a step over micro-batches that stay within a token budget. Both are pure
functions of their arguments, so a resumed run recomputes exactly the batches it would have seen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assay.data.answers import AnswerRow

BatchKind = Literal["learned", "anchored", "pairs", "rated", "sampled"]
"""How the targets of a batch are taken: learned, held to the base, compared as whole answers, or
graded."""


@dataclass(frozen=True)
class PackedBatch:
    """Several sequences end to end, without padding.

    Shapes: T tokens in S sequences, N supervised positions.

    * `input_ids`, `position_ids`: T integers; positions start at 0 in every sequence.
    * `sequence_lengths`: S integers that sum to T.
    * `target_positions`: N indices into the T tokens, each the position that *predicts* a target.
    * `target_ids`, `target_weights`: the N tokens to predict and their loss weights (> 0).
    * `is_anchored`: the targets are not learned; at their positions the model is held to its base.
    * `rows`: where whole answers are compared, the rows whose answers the sequences are, in order.
    * `places`: where sequences share tokens, which of the T each token of the sequences written out
      is; `sequence_lengths` are then those of the sequences written out.
    """

    input_ids: list[int]
    position_ids: list[int]
    sequence_lengths: list[int]
    target_positions: list[int]
    target_ids: list[int]
    target_weights: list[float]
    is_anchored: bool = False
    rows: tuple[AnswerRow, ...] = ()
    places: tuple[int, ...] = ()

    @property
    def num_tokens(self) -> int:
        return len(self.input_ids)

    @property
    def kind(self) -> BatchKind:
        if self.rows:
            if self.rows[0].is_sampled:
                return "sampled"
            return "pairs" if self.rows[0].is_pair else "rated"
        return "anchored" if self.is_anchored else "learned"

    @property
    def num_parts(self) -> int:
        """Into how many batches it can be divided: its rows of answers, else its sequences."""
        return len(self.rows) or len(self.sequence_lengths)

    @property
    def loss_weight(self) -> float:
        """What this batch adds to the divisor of a step's loss: of its targets, or of its rows."""
        if self.rows:
            return float(sum(row.weight for row in self.rows))
        return float(sum(self.target_weights))

    @property
    def is_filler(self) -> bool:
        """Whether it has targets and none of them weighs anything (`assay.data.share`)."""
        return bool(self.target_ids) and self.loss_weight == 0


def build_batch(
    input_ids: Sequence[Sequence[int]],
    loss_masks: Sequence[Sequence[float]],
    *,
    is_anchored: bool = False,
) -> PackedBatch:
    """Join sequences into one batch.

    Args:
        input_ids: S token sequences.
        loss_masks: S masks of the same lengths; entry i > 0 trains the model to *produce* token i
            with that weight. Entry 0 is ignored: nothing precedes the first token.
    """
    batch = PackedBatch([], [], [], [], [], [], is_anchored)
    for ids, mask in zip(input_ids, loss_masks, strict=True):
        offset = batch.num_tokens
        batch.input_ids.extend(ids)
        batch.position_ids.extend(range(len(ids)))
        batch.sequence_lengths.append(len(ids))
        for i in range(1, len(ids)):
            if mask[i] > 0:
                batch.target_positions.append(offset + i - 1)
                batch.target_ids.append(ids[i])
                batch.target_weights.append(float(mask[i]))
    return batch


def pack_lengths(lengths: Sequence[int], *, token_budget: int) -> list[list[int]]:
    """Spread sequences over bins of at most `token_budget` tokens, first-fit decreasing.

    Returns lists of indices into `lengths`; each index appears once. A sequence longer than the
    budget gets a bin of its own, because truncating is not this function's business. The bin with
    the longest sequence comes first, so that running out of memory shows at once.
    """
    bins: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        slot = next((b for b, free in enumerate(room) if free >= length), None)
        if slot is None:
            bins.append([])
            room.append(token_budget)
            slot = len(bins) - 1
        bins[slot].append(index)
        room[slot] -= length
    return bins


def plan_epoch(num_sequences: int, *, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of the sequences of every optimizer step of an epoch, shuffled by seed and epoch.

    The last step holds the remainder: no sequence is dropped or seen twice.
    """
    order = list(range(num_sequences))
    random.Random(f"epoch:{seed}:{epoch}").shuffle(order)
    return [order[i : i + batch_size] for i in range(0, num_sequences, batch_size)]
