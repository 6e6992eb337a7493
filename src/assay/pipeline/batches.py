"""Token sequences to the packed micro-batches of each optimizer step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assay.data import TokenSequence
from assay.data.pack import PackedBatch, build_batch, pack_lengths, plan_epoch
from assay.pipeline.job import Job
from assay.pipeline.prepare import Prepared


@dataclass(frozen=True)
class TrainingRows:
    """What a tuning reads: sequences to learn from, and packed batches to measure losses on.

    `comparable` are training rows, as many as and of the kind of those in `validation`.
    """

    sequences: list[TokenSequence]
    validation: list[PackedBatch]
    comparable: list[PackedBatch]


def build_rows(job: Job, prepared: Prepared) -> TrainingRows:
    """The rows of a tuning, packed once where they are only measured."""
    budget = job.recipe.train.micro_batch_tokens
    return TrainingRows(
        prepared.train_sequences,
        pack(prepared.validation_sequences, budget),
        pack(comparable_sequences(prepared), budget),
    )


def comparable_sequences(prepared: Prepared) -> list[TokenSequence]:
    """As many training sequences as there are for validation, of the sources it is drawn from.

    Rows of a source with another role are of another kind: their loss would say nothing
    about overfitting.
    """
    of_validation = {record.id for record in prepared.train if record.role == "task"}
    sequences = prepared.train_sequences
    alike = [s for s in sequences if s.record_id in of_validation] or sequences
    return alike[: max(64, len(prepared.validation_sequences))]


def batch_source(job: Job, sequences: Sequence[TokenSequence]) -> Any:
    """Micro-batches as a pure function of the optimizer step."""
    config, seed = job.recipe.train, job.recipe.seed
    steps_per_epoch = math.ceil(len(sequences) / config.batch_size)

    @lru_cache(maxsize=1)
    def epoch_plan(epoch: int) -> list[list[int]]:
        return plan_epoch(len(sequences), batch_size=config.batch_size, seed=seed, epoch=epoch)

    def get_batches(step: int) -> list[PackedBatch]:
        indices = epoch_plan(step // steps_per_epoch)[step % steps_per_epoch]
        return pack([sequences[i] for i in indices], config.micro_batch_tokens)

    return get_batches


def pack(sequences: Sequence[TokenSequence], token_budget: int) -> list[PackedBatch]:
    """Sequences as packed micro-batches of at most `token_budget` tokens; anchored ones apart."""
    batches = []
    for is_anchored in (False, True):
        alike = [s for s in sequences if s.is_anchored == is_anchored]
        for indices in pack_lengths([len(s.input_ids) for s in alike], token_budget=token_budget):
            ids, masks = (
                [alike[i].input_ids for i in indices],
                [alike[i].loss_mask for i in indices],
            )
            batches.append(build_batch(ids, masks, is_anchored=is_anchored))
    return batches
