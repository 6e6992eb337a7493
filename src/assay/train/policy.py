"""The loss of sampled completions on a packed batch, and what is told of it.

All completions of a prompt stand in one batch, and the prompt is computed once. Shape legend:
N tokens of completions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from assay.data.pack import PackedBatch
from assay.losses.importance import compute_truncated_weights
from assay.losses.kl_estimators import Estimator, estimate_kl
from assay.losses.policy import (
    Level,
    compute_cispo,
    compute_clipped,
    compute_log_ratios,
    find_clipped,
)
from assay.losses.value import compute_value_loss
from assay.train.answers import AnswerLogprobs, compute_answer_logprobs
from assay.train.meter import NO_METER, Meter
from assay.train.ranks import ALONE, Ranks
from assay.train.sampled import SampledTensors, read_sampled

POLICY_METRICS = ("entropy", "kl", "clip_share", "importance")
"""Means over tokens: the negative log-probability of what was sampled (an estimate of the entropy),
k3 of the reference, whether the ratio lies beyond its clip, the weight of importance."""

VALUE_METRICS = ("value", "value_loss")
"""Means over tokens of what the value head expects, and of its loss."""


@dataclass(frozen=True)
class PolicySettings:
    """What a token's loss is made of.

    Attributes:
        kind: of a clipped ratio, CISPO's, or of the log-probability alone (best-of-n).
        level: what a ratio is of.
        clip_low, clip_high: see `assay.losses.policy`.
        beta: weight of the divergence in the loss; 0 where it stands in the reward, or nowhere.
        estimator: of that divergence.
        importance_cap: of truncated importance sampling; None is off.
        temperature: of the policy.
        value_weight: of the value head's loss; 0 without a head.
        value_clip: how far one rollout may move a value; None is off.
    """

    kind: Literal["clipped", "cispo", "likelihood"] = "clipped"
    level: Level = "token"
    clip_low: float = 0.2
    clip_high: float = 0.2
    beta: float = 0.0
    estimator: Estimator = "k3"
    importance_cap: float | None = None
    temperature: float = 1.0
    value_weight: float = 0.0
    value_clip: float | None = None


class PolicyLoss:
    """The weighted sum over tokens of the losses that `settings` describe.

    Args:
        settings: see there.
        meter: is given `POLICY_METRICS`, and by `tell` what the rollout measured.
        tell: called once a step, before its losses, and again where a step is done anew.
    """

    def __init__(
        self,
        settings: PolicySettings,
        *,
        meter: Meter = NO_METER,
        tell: Callable[[Meter], None] = lambda meter: None,
    ) -> None:
        self.settings = settings
        self.meter = meter
        self.tell = tell

    def begin_step(
        self,
        model: Any,
        batches: Sequence[PackedBatch],
        *,
        precision: str = "fp32",
        ranks: Ranks = ALONE,
    ) -> None:
        """Hand on what the rollout measured; see `assay.train.step.BeginsStep`."""
        self.tell(self.meter)

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        found = compute_answer_logprobs(model, batch, temperature=self.settings.temperature)
        logprobs_N = found.logprobs_N
        told = read_sampled(batch, logprobs_N)
        losses_N = self._compute(found, told)
        self._measure(logprobs_N, told)
        return (losses_N * found.weights_N).sum()

    def _compute(self, found: AnswerLogprobs, told: SampledTensors) -> Tensor:
        settings, logprobs_N = self.settings, found.logprobs_N
        if settings.kind == "likelihood":
            return -told.advantages_N * logprobs_N
        log_ratios_N = compute_log_ratios(
            logprobs_N, told.old_N, found.owners_N, level=settings.level
        )
        if settings.kind == "cispo":
            losses_N = compute_cispo(
                logprobs_N, log_ratios_N, told.advantages_N, clip_high=settings.clip_high
            )
        else:
            losses_N = compute_clipped(
                log_ratios_N,
                told.advantages_N,
                clip_low=settings.clip_low,
                clip_high=settings.clip_high,
            )
        self._count_clipped(log_ratios_N, told.advantages_N)
        if settings.importance_cap is not None:
            weights_N = compute_truncated_weights(
                told.old_N, told.sampled_N, cap=settings.importance_cap
            )
            losses_N = losses_N * weights_N
            self.meter.add({"importance": weights_N.sum()}, float(len(weights_N)))
        if settings.value_weight:
            losses_N = losses_N + settings.value_weight * self._compute_value_loss(found, told)
        if settings.beta:
            kl_N = estimate_kl(logprobs_N, told.refs_N, settings.estimator)
            losses_N = losses_N + settings.beta * kl_N
        return losses_N

    def _compute_value_loss(self, found: AnswerLogprobs, told: SampledTensors) -> Tensor:
        assert found.values_N is not None, "the objective adds a value head"
        errors_N = compute_value_loss(
            found.values_N, told.values_N, told.returns_N, clip=self.settings.value_clip
        )
        sums = {"value_loss": errors_N.sum(), "value": found.values_N.sum()}
        self.meter.add(sums, float(len(errors_N)))
        return errors_N

    @torch.no_grad()
    def _measure(self, logprobs_N: Tensor, told: SampledTensors) -> None:
        num = float(len(logprobs_N))
        self.meter.add({"entropy": -logprobs_N.sum()}, num)
        if told.has_refs:
            kl_N = estimate_kl(logprobs_N, told.refs_N, "k3")
            self.meter.add({"kl": kl_N.sum()}, num)

    @torch.no_grad()
    def _count_clipped(self, log_ratios_N: Tensor, advantages_N: Tensor) -> None:
        is_cispo = self.settings.kind == "cispo"
        clipped_N = find_clipped(
            log_ratios_N,
            advantages_N,
            clip_low=float("inf") if is_cispo else self.settings.clip_low,
            clip_high=self.settings.clip_high,
        )
        self.meter.add({"clip_share": clipped_N.float().sum()}, float(len(clipped_N)))
