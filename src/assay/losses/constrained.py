"""Cross-entropy held near a reference token by token (constrained fine-tuning), in chunks.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from assay.losses.chunks import build_head, compute_loss_sum
from assay.losses.token_loss import TokenLoss, cap_gradient, cap_logits
from assay.models.fast.head_rows import HeadRows


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
    ref_logprobs_N = ref_logprobs_N.detach()

    def compute(part: slice, get_logits: Callable[[], Tensor], *, needs_grad: bool) -> TokenLoss:
        logits_CV = cap_logits(get_logits(), softcap)
        logprobs_CV = logits_CV.log_softmax(-1)
        target_C1, beta_C = target_N[part, None], beta_N[part]
        gain_C = logprobs_CV.gather(1, target_C1).squeeze(1) - ref_logprobs_N[part]
        loss_C = -2 / beta_C * logsigmoid(beta_C * gain_C)
        if not needs_grad:
            return TokenLoss(loss_C, None)
        grad_CV = logprobs_CV.exp_()
        grad_CV.scatter_add_(1, target_C1, torch.full_like(gain_C, -1.0)[:, None])
        grad_CV *= (2 * torch.sigmoid(-beta_C * gain_C))[:, None]
        return TokenLoss(loss_C, cap_gradient(grad_CV, logits_CV, softcap))

    head = build_head(len(target_N), weight_VD, bias_V, rows, chunk)
    return compute_loss_sum(compute, hidden_ND, head, scale_N)
