"""Preference pairs: the loss of a batch of chosen and rejected answers, and what is told of it.

Both answers of a pair stand in one batch, and their prompt is computed once. Shape legend:
N supervised positions, S answers, P pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from assay.data.pack import PackedBatch
from assay.losses.pairs import Pairs
from assay.losses.reference_free import compute_nll
from assay.train.answers import AnswerLogprobs, compute_answer_logprobs
from assay.train.meter import NO_METER, Meter

PAIR_METRICS = (
    "reward_accuracy",
    "reward_margin",
    "reward_chosen",
    "reward_rejected",
    "logprob_chosen",
    "logprob_rejected",
)
"""Means over pairs. A reward is β times the answer's log-probability beside the reference's."""


class PreferenceLoss:
    """The sum over pairs of `compute`, and of the chosen answers' own loss times `sft_weight`.

    Args:
        compute: a loss for each pair, float32 of shape (P,).
        beta: what log-probabilities are multiplied by to be rewards, in the metrics alone.
        tail_weight: of tokens beyond the shorter answer's length; 1 counts all alike.
        per_token: rewards are of means over tokens, as the loss's own.
        meter: is given `PAIR_METRICS`.
    """

    def __init__(
        self,
        compute: Callable[[Pairs], Tensor],
        *,
        beta: float,
        sft_weight: float = 0.0,
        tail_weight: float = 1.0,
        per_token: bool = False,
        meter: Meter = NO_METER,
    ) -> None:
        self.compute = compute
        self.beta = beta
        self.sft_weight = sft_weight
        self.tail_weight = tail_weight
        self.per_token = per_token
        self.meter = meter

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        found = compute_answer_logprobs(model, batch)
        pairs = build_pairs(found, batch, tail_weight=self.tail_weight)
        losses_P = self.compute(pairs)
        if self.sft_weight:
            chosen_P = found.sum(found.logprobs_N * found.weights_N)[0::2]
            losses_P = losses_P + self.sft_weight * compute_nll(chosen_P, pairs.num_chosen_P)
        weights_P = losses_P.new_tensor([row.weight for row in batch.rows])
        told = pairs.per_token() if self.per_token else pairs
        self._measure(told, weights_P, batch.loss_weight)
        return (losses_P * weights_P).sum()

    @torch.no_grad()
    def _measure(self, pairs: Pairs, weights_P: Tensor, weight: float) -> None:
        chosen_P, rejected_P = (
            self.beta * pairs.chosen_logratios_P,
            self.beta * (pairs.rejected_logratios_P),
        )
        values = (
            (chosen_P > rejected_P).float(),
            chosen_P - rejected_P,
            chosen_P,
            rejected_P,
            pairs.chosen_logprobs_P,
            pairs.rejected_logprobs_P,
        )
        means = {n: (v * weights_P).sum() for n, v in zip(PAIR_METRICS, values, strict=True)}
        self.meter.add(means, weight)


def build_pairs(found: AnswerLogprobs, batch: PackedBatch, *, tail_weight: float = 1.0) -> Pairs:
    """The pairs of a batch, of which answers 2 p and 2 p + 1 are chosen and rejected of row p."""
    weights_N = found.weights_N
    if tail_weight != 1:
        weights_N = found.compute_tail_weights(tail_weight)
    sums_S = found.sum(found.logprobs_N * weights_N)
    counts_S = found.sum(found.weights_N)
    refs_S = sums_S.new_tensor([a.ref_logprob for row in batch.rows for a in row.answers])
    return Pairs(
        chosen_logprobs_P=sums_S[0::2],
        rejected_logprobs_P=sums_S[1::2],
        ref_chosen_logprobs_P=refs_S[0::2],
        ref_rejected_logprobs_P=refs_S[1::2],
        num_chosen_P=counts_S[0::2],
        num_rejected_P=counts_S[1::2],
    )
