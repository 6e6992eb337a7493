"""KL divergence of a reference to the model, over supervised positions, in chunks.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from assay.losses.cross_entropy import (
    ChunkGradients,
    choose_chunk,
    compute_logits,
    scale_gradients,
)
from assay.models.fast.head_rows import HeadRows


class _ChunkedKl(torch.autograd.Function):
    """Sum of weighted divergences; the gradient is made chunk by chunk in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        ref_hidden_ND: Tensor,
        ref_weight_VD: Tensor,
        scale_N: Tensor,
        softcap: float | None,
        chunk: int,
        ids_R: Tensor | None,
        rows_RD: Tensor | None,
        bias_V: Tensor | None,
    ) -> Tensor:
        rows = None if ids_R is None or rows_RD is None else HeadRows(ids_R, rows_RD)
        grads = ChunkGradients(ctx, hidden_ND, weight_VD, bias_V, rows)
        total = hidden_ND.new_zeros((), dtype=torch.float32)
        for start in range(0, len(scale_N), chunk):
            part = slice(start, start + chunk)
            hidden_CD, scale_C = hidden_ND[part], scale_N[part]
            logits_CV = compute_logits(hidden_CD, weight_VD, softcap, bias_V, rows)
            ref_logits_CV = compute_logits(ref_hidden_ND[part], ref_weight_VD, softcap, bias_V)
            logprobs_CV = logits_CV.log_softmax(-1)
            ref_logprobs_CV = ref_logits_CV.log_softmax(-1)
            ref_probs_CV = ref_logprobs_CV.exp()
            kl_C = (ref_probs_CV * (ref_logprobs_CV - logprobs_CV)).sum(-1)
            total += (kl_C * scale_C).sum()
            if not grads.are_needed:
                continue
            grad_CV = logprobs_CV.exp_().sub_(ref_probs_CV)
            if softcap is not None:
                grad_CV *= 1 - (logits_CV / softcap).square()
            grads.add(part, grad_CV, scale_C, hidden_CD, weight_VD)
        grads.save(ctx, weight_VD.dtype)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_weight, *others = scale_gradients(ctx, grad_outputs[0])
        return grad_hidden, grad_weight, *[None] * 6, *others


def compute_kl_sum(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ref_hidden_ND: Tensor,
    ref_weight_VD: Tensor,
    scale_N: Tensor,
    *,
    softcap: float | None = None,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Weighted sum of the divergences of the model from a reference at supervised positions.

    ``sum_n scale_n * sum_v p_ref,n(v) * [log p_ref,n(v) - log p_n(v)]``: the forward divergence
    KL(reference ‖ model), 0 where both agree (Kullback and Leibler 1951; as distillation's soft
    targets at temperature 1, Hinton et al. 2015, section 2).

    Args:
        hidden_ND: the model's final hidden states of the supervised positions, any float dtype.
        weight_VD: its output head's weight, same dtype as `hidden_ND`.
        ref_hidden_ND: the reference's hidden states of the same positions; they get no gradient.
        ref_weight_VD: its output head's weight, of the dtype of `ref_hidden_ND`; no gradient.
        scale_N: loss weights, float32, >= 0.
        softcap: Gemma 2's final logit soft cap, or None.
        bias_V: the output head's bias, which the reference has too, or None.
        rows: the model's trained rows in the places of those of `weight_VD`, or None; the reference
            has none.
        chunk: positions whose logits exist at one time; by default as `choose_chunk` has it.

    Returns:
        A float32 scalar in nats, >= 0 but for rounding; differentiable with respect to
        `hidden_ND`, `weight_VD` and the weight of `rows`.
    """
    loss: Tensor = _ChunkedKl.apply(  # type: ignore[no-untyped-call]
        hidden_ND,
        weight_VD,
        ref_hidden_ND.detach(),
        ref_weight_VD.detach(),
        scale_N,
        softcap,
        chunk or choose_chunk(len(scale_N), weight_VD),
        None if rows is None else rows.ids_R,
        None if rows is None else rows.weight_RD,
        bias_V,
    )
    return loss


@torch.no_grad()
def compute_token_kl(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ref_hidden_ND: Tensor,
    ref_weight_VD: Tensor,
    *,
    softcap: float | None = None,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
) -> Tensor:
    """KL(reference ‖ model) at each position in nats, float32, shape (N,); no gradient.

    The arguments are those of `compute_kl_sum`.
    """
    parts = []
    chunk = choose_chunk(len(hidden_ND), weight_VD)
    for start in range(0, len(hidden_ND), chunk):
        part = slice(start, start + chunk)
        logits_CV = compute_logits(hidden_ND[part], weight_VD, softcap, bias_V, rows)
        ref_logits_CV = compute_logits(ref_hidden_ND[part], ref_weight_VD, softcap, bias_V)
        ref_logprobs_CV = ref_logits_CV.log_softmax(-1)
        gaps_CV = ref_logprobs_CV - logits_CV.log_softmax(-1)
        parts.append((ref_logprobs_CV.exp() * gaps_CV).sum(-1))
    return torch.cat(parts) if parts else hidden_ND.new_zeros(0, dtype=torch.float32)
