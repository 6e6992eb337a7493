"""Cross-entropy held near a reference token by token (constrained fine-tuning), in chunks.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from assay.losses.cross_entropy import (
    ChunkGradients,
    choose_chunk,
    compute_logits,
    scale_gradients,
)
from assay.models.fast.head_rows import HeadRows


class _ChunkedConstrained(torch.autograd.Function):
    """Sum of weighted token losses; the gradient is made chunk by chunk in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        target_N: Tensor,
        ref_logprobs_N: Tensor,
        beta_N: Tensor,
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
        for start in range(0, len(target_N), chunk):
            part = slice(start, start + chunk)
            hidden_CD, scale_C, beta_C = hidden_ND[part], scale_N[part], beta_N[part]
            logits_CV = compute_logits(hidden_CD, weight_VD, softcap, bias_V, rows)
            logprobs_CV = logits_CV.log_softmax(-1)
            target_C1 = target_N[part, None]
            gain_C = logprobs_CV.gather(1, target_C1).squeeze(1) - ref_logprobs_N[part]
            total += (-2 / beta_C * logsigmoid(beta_C * gain_C) * scale_C).sum()
            if not grads.are_needed:
                continue
            grad_CV = logprobs_CV.exp_()
            grad_CV.scatter_add_(1, target_C1, torch.full_like(gain_C, -1.0)[:, None])
            grad_CV *= (2 * torch.sigmoid(-beta_C * gain_C))[:, None]
            if softcap is not None:
                grad_CV *= 1 - (logits_CV / softcap).square()
            grads.add(part, grad_CV, scale_C, hidden_CD, weight_VD)
        grads.save(ctx, weight_VD.dtype)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_weight, *others = scale_gradients(ctx, grad_outputs[0])
        return grad_hidden, grad_weight, *[None] * 7, *others


def compute_constrained_sum(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    target_N: Tensor,
    ref_logprobs_N: Tensor,
    beta_N: Tensor,
    scale_N: Tensor,
    *,
    softcap: float | None = None,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Weighted sum of token losses that fade as a token grows likelier than the reference has it.

    ``sum_n scale_n * -(2 / beta_n) * log sigmoid(beta_n * [log p_n - log p_ref,n])`` of the targets
    (Qi et al. 2024, "Safety alignment should be made more than just a few tokens deep"). Its
    gradient is that of cross-entropy times ``2 * sigmoid(-beta_n * gain_n)``: 1 where model and
    reference agree, towards 0 beyond a gain of about ``1 / beta_n`` nats, towards 2 where the
    target has become less likely. At the reference the value is ``2 * ln 2 / beta_n``.

    Args:
        hidden_ND: the model's final hidden states of the supervised positions, any float dtype.
        weight_VD: its output head's weight, same dtype as `hidden_ND`.
        target_N: token ids, int64.
        ref_logprobs_N: the reference's log-probability of each target, float32; no gradient.
        beta_N: strength at each position, float32, > 0; as it nears 0 the gradient becomes that of
            cross-entropy.
        scale_N: loss weights, float32, >= 0.
        softcap: Gemma 2's final logit soft cap, or None.
        bias_V: the output head's bias, or None.
        rows: trained rows in the places of those of `weight_VD`, or None.
        chunk: positions whose logits exist at one time; by default as `choose_chunk` has it.

    Returns:
        A float32 scalar in nats; differentiable with respect to `hidden_ND`, `weight_VD`, the
        weight of `rows` and `bias_V`.
    """
    loss: Tensor = _ChunkedConstrained.apply(  # type: ignore[no-untyped-call]
        hidden_ND,
        weight_VD,
        target_N,
        ref_logprobs_N.detach(),
        beta_N,
        scale_N,
        softcap,
        chunk or choose_chunk(len(target_N), weight_VD),
        None if rows is None else rows.ids_R,
        None if rows is None else rows.weight_RD,
        bias_V,
    )
    return loss
