"""Packed batches of whole answers, and batches divided into smaller ones; it knows no torch."""

from __future__ import annotations

from collections.abc import Sequence

from assay.data.answers import AnswerRow
from assay.data.pack import PackedBatch, build_batch, pack_lengths
from assay.data.shared import build_shared


def build_answer_batch(rows: Sequence[AnswerRow], *, share: bool = True) -> PackedBatch:
    """The answers of `rows` as one batch; with `share` common beginnings stand in it once.

    Targets stand answer by answer. One position may predict several: the first tokens of both
    answers follow the same prompt.
    """
    answers = [answer for row in rows for answer in row.answers]
    shared = build_shared([answer.input_ids for answer in answers], share=share)
    batch = PackedBatch(
        shared.input_ids,
        shared.position_ids,
        shared.sequence_lengths,
        [],
        [],
        [],
        rows=tuple(rows),
        places=tuple(shared.places) if shared.is_shared else (),
    )
    start = 0
    for answer in answers:
        for i in range(1, len(answer.input_ids)):
            if answer.loss_mask[i] > 0:
                batch.target_positions.append(shared.places[start + i - 1])
                batch.target_ids.append(answer.input_ids[i])
                batch.target_weights.append(float(answer.loss_mask[i]))
        start += len(answer.input_ids)
    return batch


def count_targets(batch: PackedBatch) -> list[int]:
    """How many of the targets of a batch of answers are those of each answer, in order."""
    return [
        sum(weight > 0 for weight in answer.loss_mask[1:])
        for row in batch.rows
        for answer in row.answers
    ]


def split_batch(batch: PackedBatch, *, token_budget: int) -> list[PackedBatch]:
    """The sequences of `batch` over batches of at most `token_budget` tokens, as `pack_lengths`.

    A batch within the budget, or of a single sequence, comes back as it is. Targets and weights
    are the same ones, so the loss sums add up to that of the whole. Answers of one row stay
    together.
    """
    if batch.num_tokens <= token_budget or batch.num_parts == 1:
        return [batch]
    if batch.rows:
        costs = [row.num_tokens for row in batch.rows]
        bins = pack_lengths(costs, token_budget=token_budget)
        share = bool(batch.places)
        return [build_answer_batch([batch.rows[i] for i in own], share=share) for own in bins]
    ids, masks, start = [], [], 0
    mask = [0.0] * (batch.num_tokens + 1)
    for position, weight in zip(batch.target_positions, batch.target_weights, strict=True):
        mask[position + 1] = weight
    for length in batch.sequence_lengths:
        end = start + length
        ids.append(batch.input_ids[start:end])
        masks.append([0.0, *mask[start + 1 : end]])
        start = end
    bins = pack_lengths(batch.sequence_lengths, token_budget=token_budget)
    return [
        build_batch(
            [ids[i] for i in indices],
            [masks[i] for i in indices],
            is_anchored=batch.is_anchored,
        )
        for indices in bins
    ]
