"""Token sequences to the packed micro-batches of each optimizer step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from assay.data import TokenSequence
from assay.data.mismatch import add_mismatched
from assay.data.pack import PackedBatch, build_batch, pack_lengths, plan_epoch
from assay.data.portions import build_answer_batch
from assay.data.share import share_lengths
from assay.pipeline.job import Job
from assay.pipeline.tokens import Sequences

if TYPE_CHECKING:
    from assay.train.on_policy import OnPolicy


@dataclass(frozen=True)
class Share:
    """Which part of every step one of several ranks takes."""

    rank: int = 0
    num_ranks: int = 1


WHOLE = Share()


@dataclass(frozen=True)
class TrainingRows:
    """What a tuning reads: sequences to learn from, and packed batches to measure losses on.

    The batches are this rank's share; `sequences` and `num_validation` are of all ranks, and so are
    the prompts whose completions are graded in place of batches.
    """

    sequences: list[TokenSequence]
    validation: list[PackedBatch]
    comparable: list[PackedBatch]
    num_validation: int
    share: Share
    validation_prompts: list[TokenSequence] = field(default_factory=list)
    comparable_prompts: list[TokenSequence] = field(default_factory=list)


def build_rows(job: Job, sequences: Sequences, share: Share = WHOLE) -> TrainingRows:
    """The rows of a tuning, packed once where they are only measured."""
    budget = job.recipe.train.micro_batch_tokens
    if job.recipe.objective.learns_from == "rated":
        sequences = _add_mismatched(job, sequences)
    if job.recipe.objective.learns_from == "prompts":
        validation, comparable = sequences.validation, sequences.comparable
        return TrainingRows(sequences.train, [], [], len(validation), share, validation, comparable)
    return TrainingRows(
        sequences.train,
        pack_share(sequences.validation, budget, share),
        pack_share(sequences.comparable, budget, share),
        len(sequences.validation),
        share,
    )


def _add_mismatched(job: Job, sequences: Sequences) -> Sequences:
    """The rows with other rows' answers, where the objective asks for them."""
    if getattr(job.recipe.objective, "loss", "") != "kto":
        return sequences
    train, validation = (
        add_mismatched(rows, seed=job.recipe.seed, max_seq_len=job.max_seq_len)
        for rows in (sequences.train, sequences.validation)
    )
    made = dict(zip(map(id, sequences.train), train, strict=True))
    return Sequences(train, validation, [made[id(one)] for one in sequences.comparable])


def batch_source(job: Job, rows: TrainingRows, on_policy: OnPolicy | None = None) -> Any:
    """Micro-batches of this rank as a pure function of the optimizer step.

    `on_policy` writes answers of some rows anew as their step begins: then of the weights too.
    """
    config, seed, sequences = job.recipe.train, job.recipe.seed, rows.sequences
    steps_per_epoch = math.ceil(len(sequences) / config.batch_size)

    @lru_cache(maxsize=1)
    def epoch_plan(epoch: int) -> list[list[int]]:
        return plan_epoch(len(sequences), batch_size=config.batch_size, seed=seed, epoch=epoch)

    def get_batches(step: int) -> list[PackedBatch]:
        indices = epoch_plan(step // steps_per_epoch)[step % steps_per_epoch]
        chosen = [sequences[i] for i in indices]
        if on_policy is None:
            return pack_share(chosen, config.micro_batch_tokens, rows.share)
        places = list_share(chosen, rows.share)
        own = on_policy.write([chosen[place] for place in places], places, step=step)
        return pack(own, config.micro_batch_tokens)

    return get_batches


def pack_share(
    sequences: Sequence[TokenSequence], token_budget: int, share: Share
) -> list[PackedBatch]:
    """This rank's share of `sequences`, each kind balanced by tokens, as micro-batches."""
    return pack([sequences[place] for place in list_share(sequences, share)], token_budget)


def list_share(sequences: Sequence[TokenSequence], share: Share) -> list[int]:
    """The places among `sequences` of those that this rank takes, each kind balanced by tokens."""
    found = []
    for flag in (False, True):
        places = [n for n, one in enumerate(sequences) if one.is_anchored == flag]
        lengths = [sequences[place].num_tokens for place in places]
        found += [places[i] for i in share_lengths(lengths, share.num_ranks)[share.rank]]
    return found


def pack(sequences: Sequence[TokenSequence], token_budget: int) -> list[PackedBatch]:
    """Sequences as packed micro-batches of at most `token_budget` tokens; anchored ones apart.

    Both answers of a pair stand in one.
    """
    batches = []
    for alike in _part(sequences):
        for indices in pack_lengths([s.num_tokens for s in alike], token_budget=token_budget):
            batches.append(join([alike[i] for i in indices]))
    return batches


def join(sequences: Sequence[TokenSequence]) -> PackedBatch:
    """One batch of sequences of one kind."""
    if sequences[0].is_compared:
        return build_answer_batch([s.row for s in sequences])
    return build_batch(
        [s.input_ids for s in sequences],
        [s.loss_mask for s in sequences],
        is_anchored=sequences[0].is_anchored,
    )


def _part(sequences: Sequence[TokenSequence]) -> list[list[TokenSequence]]:
    """The sequences that are learned or compared, and the anchored ones."""
    parts = ([s for s in sequences if s.is_anchored == flag] for flag in (False, True))
    return [part for part in parts if part]
