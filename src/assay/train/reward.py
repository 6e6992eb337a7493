"""A reward model: the loss of a batch of pairs by the scores of their answers, and what is told.

Both answers of a pair stand in one batch, and their prompt is computed once. Shape legend:
S answers, P pairs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from assay.data.pack import PackedBatch
from assay.losses.bradley_terry import compute_bradley_terry
from assay.models.score_head import compute_end_scores
from assay.train.meter import NO_METER, Meter

REWARD_METRICS = ("reward_accuracy", "reward_margin", "reward_chosen", "reward_rejected")
"""Means over pairs; of equal rewards none is the greater."""


class RewardLoss:
    """The sum over pairs of `assay.losses.bradley_terry`, with the margins of their rows.

    Args:
        centring: weight of the squared sum of both rewards, from 0.
        meter: is given `REWARD_METRICS`.
    """

    def __init__(self, *, centring: float = 0.0, meter: Meter = NO_METER) -> None:
        self.centring = centring
        self.meter = meter

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        rewards_S = compute_end_scores(model, batch)
        chosen_P, rejected_P = rewards_S[0::2], rewards_S[1::2]
        margins_P = rewards_S.new_tensor([row.margin for row in batch.rows])
        weights_P = rewards_S.new_tensor([row.weight for row in batch.rows])
        losses_P = compute_bradley_terry(
            chosen_P, rejected_P, margins_P=margins_P, centring=self.centring
        )
        self._measure(chosen_P, rejected_P, weights_P, batch.loss_weight)
        return (losses_P * weights_P).sum()

    @torch.no_grad()
    def _measure(
        self, chosen_P: Tensor, rejected_P: Tensor, weights_P: Tensor, weight: float
    ) -> None:
        values = (
            (chosen_P > rejected_P).float(),
            chosen_P - rejected_P,
            chosen_P,
            rejected_P,
        )
        means = {n: (v * weights_P).sum() for n, v in zip(REWARD_METRICS, values, strict=True)}
        self.meter.add(means, weight)
