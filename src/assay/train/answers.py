"""Log-probabilities of whole answers under a model, with gradient: what their losses are made of.

Shape legend: N supervised positions, S answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from assay.data.pack import PackedBatch
from assay.data.portions import build_answer_batch, count_targets
from assay.losses.token_logprobs import compute_logprobs
from assay.models.forward import can_share, compute_supervised_hidden, get_head, load_batch
from assay.models.value_head import compute_values, has_value_head


@dataclass(frozen=True)
class AnswerLogprobs:
    """Log-probabilities of a batch's tokens, by answer.

    Attributes:
        logprobs_N: of each target, float32, nats.
        weights_N: the targets' weights, float32, above 0.
        owners_N: the answer of each target, int64, in order.
        places_N: the place of each target within its answer's, from 0.
        num_answers: S.
        values_N: what the value head expects before each target, float32; None without a head.
    """

    logprobs_N: Tensor
    weights_N: Tensor
    owners_N: Tensor
    places_N: Tensor
    num_answers: int
    values_N: Tensor | None = None

    def sum(self, values_N: Tensor) -> Tensor:
        """`values_N` summed for each answer, shape (S,)."""
        return values_N.new_zeros(self.num_answers).index_add(0, self.owners_N, values_N)

    def compute_tail_weights(self, tail: float) -> Tensor:
        """The weights, times `tail` where the other answer of the pair has no token any more.

        Length-desensitised sums: ``Σ_{t ≤ l_p} + α Σ_{t > l_p}``, where l_p is the length of the
        shorter answer (Liu et al. 2024, "Length desensitization in direct
        preference optimization").
        """
        lengths_S = self.sum(torch.ones_like(self.weights_N))
        shorter_S = lengths_S.view(-1, 2).amin(1).repeat_interleave(2)
        is_tail_N = self.places_N >= shorter_S[self.owners_N]
        return torch.where(is_tail_N, tail * self.weights_N, self.weights_N)


def compute_answer_logprobs(
    model: Any, batch: PackedBatch, *, temperature: float = 1.0
) -> AnswerLogprobs:
    """The log-probabilities of a batch of answers under `model`, which is in `packed_mode`.

    Those at a `temperature` are of its logits divided by that. Without autograd where it is off.
    """
    if batch.places and not can_share(model):
        batch = build_answer_batch(batch.rows, share=False)
    head = get_head(model)
    device = head.weight_VD.device
    tensors = load_batch(batch, device)
    hidden_ND = compute_supervised_hidden(model, tensors)
    values_N = compute_values(model, hidden_ND) if has_value_head(model) else None
    softcap, bias_V = head.softcap, head.bias_V
    if temperature != 1:
        # c tanh(x / c) / τ = (c / τ) tanh((x / τ) / (c / τ)): all of the head is divided alike.
        hidden_ND = hidden_ND / temperature
        softcap = None if softcap is None else softcap / temperature
        bias_V = None if bias_V is None else bias_V / temperature
    logprobs_N = compute_logprobs(
        hidden_ND,
        head.weight_VD.to(hidden_ND.dtype),
        tensors.target_ids_N,
        softcap=softcap,
        bias_V=bias_V,
        rows=head.rows,
    )
    counts = torch.tensor(count_targets(batch), device=device)
    owners_N = torch.arange(len(counts), device=device).repeat_interleave(counts)
    starts_S = counts.cumsum(0) - counts
    places_N = torch.arange(len(owners_N), device=device) - starts_S[owners_N]
    return AnswerLogprobs(
        logprobs_N, tensors.target_weights_N, owners_N, places_N, len(counts), values_N
    )
