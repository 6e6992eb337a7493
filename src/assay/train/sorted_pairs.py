"""Pairs whose margins are compared in order of size (AOT): the least with the reference's least.

A margin's place among those of its step decides what it is compared with. So all of them are read
once before the step's losses, whatever micro-batches and ranks it is split into.
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
    """

    def __init__(self, loss: PreferenceLoss) -> None:
        self.loss = loss
        self.partners: dict[int, float] = {}

    def begin_step(
        self,
        model: Any,
        batches: Sequence[PackedBatch],
        *,
        precision: str = "fp32",
        ranks: Ranks = ALONE,
    ) -> None:
        """Find each pair's partner for the losses that follow (`assay.train.step.BeginsStep`)."""
        margins: list[float] = []
        rows: list[AnswerRow] = []
        training, device = model.training, next(model.parameters()).device
        model.eval()
        with torch.no_grad(), autocast(precision, device):
            for batch in level_batches(model, batches, ranks):
                found = run_gathered(model, _compute_margins, batch)
                pairs = zip(batch.rows, found, strict=True)
                kept = [(row, margin) for row, margin in pairs if row.weight]
                rows += [row for row, _ in kept]
                margins += [margin for _, margin in kept]
        model.train(training)
        every, start = _gather(margins, ranks)
        refs, _ = _gather([_reference_margin(row) for row in rows], ranks)
        order = sorted(range(len(every)), key=lambda i: (every[i], i))
        partners = dict(zip(order, sorted(refs), strict=True))
        self.partners = {id(row): partners[start + n] for n, row in enumerate(rows)}

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        rows = tuple(self._compare(row) for row in batch.rows)
        return self.loss(model, replace(batch, rows=rows))

    def _compare(self, row: AnswerRow) -> AnswerRow:
        """The row beside a reference of its partner's margin."""
        margin = self.partners.get(id(row), _reference_margin(row))
        chosen, rejected = row.answers
        others = (replace(chosen, ref_logprob=margin), replace(rejected, ref_logprob=0.0))
        return replace(row, answers=others)


def _compute_margins(model: Any, batch: PackedBatch) -> list[float]:
    """``log π(y_w|x) - log π(y_l|x)`` of each pair."""
    pairs = build_pairs(compute_answer_logprobs(model, batch), batch)
    found: list[float] = (pairs.chosen_logprobs_P - pairs.rejected_logprobs_P).tolist()
    return found


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
