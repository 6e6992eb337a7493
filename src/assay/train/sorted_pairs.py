"""Answers that are compared in order of size (AOT): the least margin with the reference's least.

Or, without regard to pairs, the least log-ratio of a chosen answer with the least of a rejected
one. A number's place among those of its step decides what it is compared with. So all of them are
read once before the step's losses, whatever micro-batches and ranks it is split into.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from assay.data.answers import AnswerRow
from assay.data.pack import PackedBatch
from assay.train.answers import compute_answer_logprobs
from assay.train.preference import PreferenceLoss, build_pairs
from assay.train.ranks import ALONE, Ranks
from assay.train.shard import level_batches, run_gathered
from assay.train.step import autocast


class SortedPairsLoss:
    """`loss` of each pair beside the reference's margin of the same rank in the step.

    ``1/n Σ_i l(β (m_(i) - m_ref(i)))`` with the margins m of the model and those of the reference
    each in order: Melnyk et al. 2024 ("Distributional preference alignment of LLMs via optimal
    transport", paired AOT), where l is -log σ. `loss` reads the margin alone.

    Without `is_paired` it is ``1/n Σ_i l(β (u_(i) - v_(i)))`` with the log-ratios u of chosen and v
    of rejected answers each in order (the same, unpaired AOT). Each answer of a pair then stands
    beside the partner of its own rank, so `loss` is that of two halves
    (`assay.losses.single_rewards.compute_halves`).
    """

    def __init__(self, loss: PreferenceLoss, *, is_paired: bool = True) -> None:
        self.loss = loss
        self.is_paired = is_paired
        self.partners: dict[int, tuple[float, float]] = {}

    def begin_step(
        self,
        model: Any,
        batches: Sequence[PackedBatch],
        *,
        precision: str = "fp32",
        ranks: Ranks = ALONE,
    ) -> None:
        """Find each pair's partners for the losses that follow (`assay.train.step.BeginsStep`)."""
        told: list[tuple[float, float]] = []
        rows: list[AnswerRow] = []
        training, device = model.training, next(model.parameters()).device
        model.eval()
        with torch.no_grad(), autocast(precision, device):
            for batch in level_batches(model, batches, ranks):
                found = run_gathered(model, _compute_logprobs, batch)
                pairs = zip(batch.rows, found, strict=True)
                kept = [(row, both) for row, both in pairs if row.weight]
                rows += [row for row, _ in kept]
                told += [both for _, both in kept]
        model.train(training)
        find = _find_references if self.is_paired else _find_others
        partners = find(rows, told, ranks)
        self.partners = {id(row): own for row, own in zip(rows, partners, strict=True)}

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        rows = tuple(self._compare(row) for row in batch.rows)
        return self.loss(model, replace(batch, rows=rows))

    def _compare(self, row: AnswerRow) -> AnswerRow:
        """The row beside its partners."""
        chosen, rejected = row.answers
        own = (_reference_margin(row), 0.0) if self.is_paired else (0.0, 0.0)
        first, second = self.partners.get(id(row), own)
        others = (replace(chosen, ref_logprob=first), replace(rejected, ref_logprob=second))
        return replace(row, answers=others)


def _find_references(
    rows: Sequence[AnswerRow], told: Sequence[tuple[float, float]], ranks: Ranks
) -> list[tuple[float, float]]:
    """What stands for the reference's log-probabilities: the margin of the same rank."""
    margins = [chosen - rejected for chosen, rejected in told]
    refs = [_reference_margin(row) for row in rows]
    return [(margin, 0.0) for margin in _match(margins, refs, ranks)]


def _find_others(
    rows: Sequence[AnswerRow], told: Sequence[tuple[float, float]], ranks: Ranks
) -> list[tuple[float, float]]:
    """The same: each answer's own, and the log-ratio of the other kind of the same rank."""
    refs = [(chosen.ref_logprob, rejected.ref_logprob) for chosen, rejected in _answers(rows)]
    chosen = [own[0] - ref[0] for own, ref in zip(told, refs, strict=True)]
    rejected = [own[1] - ref[1] for own, ref in zip(told, refs, strict=True)]
    below, above = _match(chosen, rejected, ranks), _match(rejected, chosen, ranks)
    return [
        (ref[0] + of_rejected, ref[1] + of_chosen)
        for ref, of_rejected, of_chosen in zip(refs, below, above, strict=True)
    ]


def _compute_logprobs(model: Any, batch: PackedBatch) -> list[tuple[float, float]]:
    """``log π(y_w|x)`` and ``log π(y_l|x)`` of each pair."""
    pairs = build_pairs(compute_answer_logprobs(model, batch), batch)
    both = (pairs.chosen_logprobs_P.tolist(), pairs.rejected_logprobs_P.tolist())
    return list(zip(*both, strict=True))


def _answers(rows: Sequence[AnswerRow]) -> list[tuple[Any, Any]]:
    return [(row.answers[0], row.answers[1]) for row in rows]


def _match(own: Sequence[float], others: Sequence[float], ranks: Ranks) -> list[float]:
    """For each of this rank's numbers that of the `others` with its place in order; collective."""
    every, start = _gather(own, ranks)
    partners, _ = _gather(others, ranks)
    order = sorted(range(len(every)), key=lambda i: (every[i], i))
    found = dict(zip(order, sorted(partners), strict=True))
    return [found[start + n] for n in range(len(own))]


def _reference_margin(row: AnswerRow) -> float:
    chosen, rejected = row.answers
    return chosen.ref_logprob - rejected.ref_logprob


def _gather(own: Sequence[float], ranks: Ranks) -> tuple[list[float], int]:
    """The numbers of all ranks in order of rank, and where this rank's begin; collective."""
    if ranks.num_ranks == 1:
        return list(own), 0
    counts = ranks.sum(
        *(float(len(own)) if n == ranks.rank else 0.0 for n in range(ranks.num_ranks))
    )
    starts = [0, *accumulate(map(int, counts))]
    flat = [0.0] * starts[-1]
    flat[starts[ranks.rank] : starts[ranks.rank] + len(own)] = own
    return list(ranks.sum(*flat)), starts[ranks.rank]
