"""What the reference says of every answer, before the first step: kept by all that decides it.

The reference is the model as it was before this tuning: the base, or with `method.start_from` the
base with the adapters that are gone on from. It is run once for each answer, whatever the epochs,
and never held beside the model that is trained.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from assay.config.start import list_start, locate_start
from assay.data import TokenSequence
from assay.data.answers import AnswerRow
from assay.data.pack import PackedBatch, pack_lengths
from assay.data.portions import build_answer_batch
from assay.pipeline.batches import TrainingRows
from assay.pipeline.job import Job
from assay.pipeline.precision import choose_precision
from assay.runs.base_results import BaseResults
from assay.runs.cache import find_cache_folder, hash_code
from assay.runs.hashes import sha256_file

if TYPE_CHECKING:
    from assay.train.ranks import Ranks

CHUNK_ROWS = 512
"""Rows that are packed together: packing looks at every batch for each row."""
_CODE = ("losses", "models", "train/answers.py")

Logprobs = list[list[float]]
"""Of each row, those of its answers."""


def with_reference(job: Job, rows: TrainingRows, model: Any, ranks: Ranks) -> TrainingRows:
    """The rows with the reference's log-probabilities, where the objective asks for them.

    `model` is at step 0 and in `packed_mode`.
    """
    if not job.recipe.objective.needs_reference:
        return rows
    own = [row for batch in (*rows.validation, *rows.comparable) for row in batch.rows]
    own_found = _compute(job, list(map(_widen, own)), model, ranks, what="held-out answers")
    train = [_widen(one.row) for one in rows.sequences]
    if ranks.num_ranks == 1:
        found = _compute(job, train, model, ranks, what="answers")
    else:
        found = _compute_together(job, train, model, ranks)
    told = iter(own_found)
    return replace(
        rows,
        sequences=[_refer(one, own) for one, own in zip(rows.sequences, found, strict=True)],
        validation=[_refer_batch(batch, told) for batch in rows.validation],
        comparable=[_refer_batch(batch, told) for batch in rows.comparable],
    )


def _widen(row: AnswerRow) -> AnswerRow:
    """The row with its mismatched answer as one more of its answers."""
    more = () if row.mismatched is None else (row.mismatched,)
    return replace(row, answers=(*row.answers, *more))


def _compute_together(job: Job, rows: list[AnswerRow], model: Any, ranks: Ranks) -> Logprobs:
    """Each rank's part, and then all parts on every rank."""
    part = range(ranks.rank, len(rows), ranks.num_ranks)
    found = _compute(job, [rows[i] for i in part], model, ranks, what="answers")
    sizes = [len(row.answers) for row in rows]
    flat = [0.0] * sum(sizes)
    starts = [0, *accumulate(sizes)][: len(rows)]
    for index, own in zip(part, found, strict=True):
        flat[starts[index] : starts[index] + len(own)] = own
    whole = ranks.sum(*flat)
    return [list(whole[s : s + n]) for s, n in zip(starts, sizes, strict=True)]


def _compute(job: Job, rows: list[AnswerRow], model: Any, ranks: Ranks, *, what: str) -> Logprobs:
    """Kept between runs of one process; several keep nothing, since all must do the same."""
    tail_weight = float(getattr(job.recipe.objective, "length_desensitisation", 1.0))

    def compute() -> Logprobs:
        return _run(job, rows, model, ranks, tail_weight=tail_weight, what=what)

    if ranks.num_ranks > 1:
        return compute()
    key = [_hash_rows(rows), tail_weight, job.recipe.train.micro_batch_tokens]
    found: Logprobs = _open_results(job, model).remember("reference", key, compute)
    return found


def _run(
    job: Job, rows: list[AnswerRow], model: Any, ranks: Ranks, *, tail_weight: float, what: str
) -> Logprobs:
    import torch

    from assay.train.shard import level_batches, run_gathered
    from assay.train.step import autocast

    batches, owners = _pack(rows, job.recipe.train.micro_batch_tokens)
    found: Logprobs = [[] for _ in rows]
    training, device = model.training, next(model.parameters()).device
    model.eval()
    with (
        torch.no_grad(),
        _as_reference(job, model),
        autocast(choose_precision(job.recipe).name, device),
    ):
        for number, batch in enumerate(level_batches(model, batches, ranks)):
            sums = iter(run_gathered(model, _sum_answers, batch, tail_weight))
            for owner in owners[number] if number < len(owners) else ():
                found[owner] = [next(sums) for _ in rows[owner].answers]
            job.progress.count(f"reference: {what}", min(number + 1, len(owners)), len(owners))
    model.train(training)
    return found


def _pack(
    rows: Sequence[AnswerRow], token_budget: int
) -> tuple[list[PackedBatch], list[list[int]]]:
    """The rows in batches, and the indices of those of each."""
    owners = []
    for start in range(0, len(rows), CHUNK_ROWS):
        costs = [row.num_tokens for row in rows[start : start + CHUNK_ROWS]]
        bins = pack_lengths(costs, token_budget=token_budget)
        owners += [[start + index for index in own] for own in bins]
    return [build_answer_batch([rows[i] for i in own]) for own in owners], owners


def _sum_answers(model: Any, batch: PackedBatch, tail_weight: float) -> list[float]:
    """Σ log p of each answer of a batch, in order."""
    from assay.train.answers import compute_answer_logprobs

    found = compute_answer_logprobs(model, batch)
    weights_N = found.weights_N
    if tail_weight != 1:
        weights_N = found.compute_tail_weights(tail_weight)
    sums: list[float] = found.sum(found.logprobs_N * weights_N).tolist()
    return sums


def _as_reference(job: Job, model: Any) -> AbstractContextManager[None]:
    """The model at step 0; where it begins with fresh adapters, without them."""
    from assay.models.as_base import adapters_off

    method = job.recipe.method
    is_begun = method.trains_base or getattr(method, "start_from", None) is not None
    return nullcontext() if is_begun else adapters_off(model)


def _open_results(job: Job, model: Any) -> BaseResults:
    start = list_start(getattr(job.recipe.method, "start_from", None))
    files = [
        (sha256_file(path), weight)
        for name, weight in start.items()
        for path in sorted(locate_start(name, job.base_dir).glob("adapter_*"))
    ]
    identity = (
        job.base.sha256,
        choose_precision(job.recipe).name,
        next(model.parameters()).device.type,
        str(job.base.quantization),
        str(files),
        hash_code(_CODE, ("torch", "transformers", "peft")),
    )
    return BaseResults(find_cache_folder("reference"), identity)


def _hash_rows(rows: Sequence[AnswerRow]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        for answer in row.answers:
            digest.update(array("q", [len(answer.input_ids), *answer.input_ids]).tobytes())
            digest.update(array("d", answer.loss_mask).tobytes())
    return digest.hexdigest()


def _refer(sequence: TokenSequence, logprobs: Sequence[float]) -> TokenSequence:
    rejected, mismatched = sequence.rejected, sequence.mismatched
    if rejected is not None:
        rejected = replace(rejected, ref_logprob=logprobs[1])
    if mismatched is not None:
        mismatched = replace(mismatched, ref_logprob=logprobs[1])
    return replace(sequence, ref_logprob=logprobs[0], rejected=rejected, mismatched=mismatched)


def _refer_batch(batch: PackedBatch, told: Any) -> PackedBatch:
    return replace(batch, rows=tuple(_refer_row(row, next(told)) for row in batch.rows))


def _refer_row(row: AnswerRow, logprobs: Sequence[float]) -> AnswerRow:
    own = zip(row.answers, logprobs, strict=False)
    answers = tuple(replace(one, ref_logprob=logprob) for one, logprob in own)
    mismatched = row.mismatched
    if mismatched is not None:
        mismatched = replace(mismatched, ref_logprob=logprobs[-1])
    return replace(row, answers=answers, mismatched=mismatched)
