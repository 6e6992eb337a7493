"""Cross-entropy of supervised positions, without ever holding the logits of a batch.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from assay.losses.chunks import PositionLoss, build_head, compute_each_loss, compute_loss_sum
from assay.losses.token_loss import (
    TokenLoss,
    TokenLossFunction,
    choose_token_loss,
    compute_token_loss,
)
from assay.models.fast.head_rows import HeadRows


def compute_cross_entropy_sum(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    target_N: Tensor,
    scale_N: Tensor,
    *,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Weighted sum of token losses at supervised positions.

    ``sum_n scale_n * [(1 - e) * -log p_n(target_n) + e / V * sum_v -log p_n(v)]`` with smoothing e
    (Szegedy et al. 2016, section 7; the uniform term includes the target, as in PyTorch). Divide
    once by the loss weight of the whole optimizer step; that is left to the caller.

    Args:
        hidden_ND: final hidden states of the supervised positions, any float dtype.
        weight_VD: the output head's weight, same dtype as `hidden_ND`.
        target_N: token ids, int64.
        scale_N: loss weights, float32, >= 0.
        label_smoothing: in [0, 1).
        softcap: Gemma 2's final logit soft cap, or None.
        bias_V: the output head's bias, or None.
        rows: trained rows in the places of those of `weight_VD`, or None.
        chunk: positions whose logits exist at one time; by default as `choose_chunk` has it.

    Returns:
        A float32 scalar; differentiable with respect to `hidden_ND`, `weight_VD`, the weight of
        `rows` and `bias_V`.
    """
    function = choose_token_loss(hidden_ND.device.type).function
    position_loss = build_token_loss(
        function, target_N, label_smoothing=label_smoothing, softcap=softcap
    )
    head = build_head(len(target_N), weight_VD, bias_V, rows, chunk)
    return compute_loss_sum(position_loss, hidden_ND, head, scale_N)


def build_token_loss(
    function: TokenLossFunction,
    target_N: Tensor,
    *,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
) -> PositionLoss:
    """The loss of each position's target by `function`, as `choose_token_loss` gives it."""

    def compute(part: slice, get_logits: Callable[[], Tensor], *, needs_grad: bool) -> TokenLoss:
        return function(
            get_logits(),
            target_N[part],
            label_smoothing=label_smoothing,
            softcap=softcap,
            needs_grad=needs_grad,
        )

    return compute


@torch.no_grad()
def compute_token_logprobs(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    target_N: Tensor,
    *,
    softcap: float | None = None,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Log-probability of each target, float32, shape (N,); no gradient."""
    head = build_head(len(target_N), weight_VD, bias_V, rows, chunk)
    position_loss = build_token_loss(compute_token_loss, target_N, softcap=softcap)
    return -compute_each_loss(position_loss, hidden_ND, head)
