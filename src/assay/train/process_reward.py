"""A process reward model: the loss of a batch of answers by the scores at their steps' ends.

All steps of an answer stand in one batch, and what their beginnings have in common is computed
once. Shape legend: S steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from assay.data.pack import PackedBatch
from assay.losses.step_labels import compute_step_loss
from assay.models.score_head import compute_end_scores
from assay.train.meter import NO_METER, Meter

STEP_METRICS = ("step_accuracy", "step_right", "step_wrong")
"""Means over steps: whether they are told rightly, and the probability to be right that is given to
those that are, and to those that are not; the last two over their own kind."""


class ProcessRewardLoss:
    """The sum over steps of `assay.losses.step_labels`.

    Args:
        meter: is given `STEP_METRICS`.
    """

    def __init__(self, *, meter: Meter = NO_METER) -> None:
        self.meter = meter

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        scores_S = compute_end_scores(model, batch)
        # A batch that stands in for another has no labels, and weighs nothing.
        flags = [f for row in batch.rows for f in row.step_labels or (True,) * len(row.answers)]
        shares = [
            row.weight / len(row.answers) for row in batch.rows for _ in range(len(row.answers))
        ]
        labels_S = torch.tensor(flags, device=scores_S.device)
        weights_S = scores_S.new_tensor(shares)
        self._measure(scores_S, labels_S, weights_S)
        return (compute_step_loss(scores_S, labels_S) * weights_S).sum()

    @torch.no_grad()
    def _measure(self, scores_S: Tensor, labels_S: Tensor, weights_S: Tensor) -> None:
        told_S = ((scores_S > 0) == labels_S).float()
        self.meter.add({"step_accuracy": (told_S * weights_S).sum()}, float(weights_S.sum()))
        for name, kind_S in (("step_right", labels_S), ("step_wrong", ~labels_S)):
            own_S = weights_S * kind_S
            self.meter.add({name: (scores_S.sigmoid() * own_S).sum()}, float(own_S.sum()))
