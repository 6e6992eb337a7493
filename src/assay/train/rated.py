"""Rated answers: the loss of a batch of wanted and unwanted ones, and what is told of it.

KTO compares every answer with how far the model has moved from its reference by now, BCO with what
lies midway between wanted and unwanted ones. Either is estimated once for the whole step (KTO's
from answers after the prompts of other rows), so that the split into micro-batches and ranks
changes nothing. Shape legend: A rated answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from assay.data.answers import AnswerRow
from assay.data.pack import PackedBatch
from assay.data.portions import build_answer_batch
from assay.losses.kto import compute_bco_unpaired, compute_kto, compute_shift
from assay.train.answers import compute_answer_logprobs
from assay.train.meter import NO_METER, Meter
from assay.train.ranks import ALONE, Ranks
from assay.train.shard import level_batches, run_gathered
from assay.train.step import autocast

RATED_METRICS = (
    "reward_accuracy",
    "reward_wanted",
    "reward_unwanted",
    "logprob_wanted",
    "logprob_unwanted",
    "kl",
)
"""Means over answers, over wanted and over unwanted ones alone; what rewards are compared with, in
nats of the log-ratio (of KTO the estimate of the divergence)."""


class RatedLoss:
    """The weighted sum of KTO's or BCO's losses over answers.

    Args:
        beta: above 0.
        loss: which of both.
        wanted_weight, unwanted_weight: of answers of each kind.
        meter: is given `RATED_METRICS`.
    """

    def __init__(
        self,
        *,
        beta: float,
        loss: Literal["kto", "bco"] = "kto",
        wanted_weight: float = 1.0,
        unwanted_weight: float = 1.0,
        meter: Meter = NO_METER,
    ) -> None:
        self.beta = beta
        self.loss = loss
        self.weights = (unwanted_weight, wanted_weight)
        self.meter = meter
        self.kl = 0.0

    def begin_step(
        self,
        model: Any,
        batches: Sequence[PackedBatch],
        *,
        precision: str = "fp32",
        ranks: Ranks = ALONE,
    ) -> None:
        """Estimate what the losses that follow compare with, where rows have what it is read by.

        Of KTO ``max(0, mean of log π(y'|x)/π_ref(y'|x))`` over the rows of all ranks, of BCO half
        the sum of both kinds' means (`losses.kto`).
        """
        asked = batches if self.loss == "bco" else _take_mismatched(batches)
        sums = {True: [0.0, 0.0], False: [0.0, 0.0]}
        training, device = model.training, next(model.parameters()).device
        model.eval()
        with torch.no_grad(), autocast(precision, device):
            for batch in level_batches(model, asked, ranks):
                sums_A = run_gathered(model, _sum_answers, batch)
                ratios = (sums_A - _refs(batch, sums_A)).tolist()
                for row, ratio in zip(batch.rows, ratios, strict=True):
                    sums[row.is_wanted][0] += row.weight * ratio
                    sums[row.is_wanted][1] += row.weight
        model.train(training)
        found = ranks.sum(*sums[True], *sums[False])
        if self.loss == "bco":
            self.kl = compute_shift(*found)
            return
        weight = found[1] + found[3]
        self.kl = max(0.0, (found[0] + found[2]) / weight) if weight else 0.0

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        sums_A = _sum_answers(model, batch)
        logratios_A = sums_A - _refs(batch, sums_A)
        flags = [row.is_wanted for row in batch.rows]
        is_wanted_A = torch.tensor(flags, device=sums_A.device)
        factors_A = sums_A.new_tensor(
            [row.weight * self.weights[row.is_wanted] for row in batch.rows]
        )
        if self.loss == "bco":
            losses_A = compute_bco_unpaired(logratios_A, is_wanted_A, beta=self.beta, shift=self.kl)
        else:
            losses_A = compute_kto(logratios_A, is_wanted_A, beta=self.beta, kl=self.kl)
        self._measure(batch.rows, sums_A, self.beta * logratios_A, is_wanted_A)
        return (losses_A * factors_A).sum()

    @torch.no_grad()
    def _measure(
        self, rows: Sequence[AnswerRow], sums_A: Tensor, rewards_A: Tensor, is_wanted_A: Tensor
    ) -> None:
        weights_A = sums_A.new_tensor([row.weight for row in rows])
        is_right_A = (rewards_A > self.beta * self.kl) == is_wanted_A
        whole = sum(row.weight for row in rows)
        self.meter.add({"reward_accuracy": (is_right_A * weights_A).sum()}, whole)
        self.meter.add({"kl": weights_A.sum() * self.kl}, whole)
        for name, flag in (("wanted", True), ("unwanted", False)):
            own_A = weights_A * (is_wanted_A == flag)
            told = {f"reward_{name}": rewards_A, f"logprob_{name}": sums_A}
            weight = sum(row.weight for row in rows if row.is_wanted == flag)
            self.meter.add({key: (value * own_A).sum() for key, value in told.items()}, weight)


def _take_mismatched(batches: Sequence[PackedBatch]) -> list[PackedBatch]:
    """The batches' prompts with the answers of other rows, where they have such."""
    found = []
    for batch in batches:
        rows = [
            AnswerRow((row.mismatched,), weight=row.weight)
            for row in batch.rows
            if row.mismatched is not None
        ]
        found += [build_answer_batch(rows, share=bool(batch.places))] if rows else []
    return found


def _sum_answers(model: Any, batch: PackedBatch) -> Tensor:
    found = compute_answer_logprobs(model, batch)
    return found.sum(found.logprobs_N * found.weights_N)


def _refs(batch: PackedBatch, like: Tensor) -> Tensor:
    return like.new_tensor([row.answers[0].ref_logprob for row in batch.rows])
