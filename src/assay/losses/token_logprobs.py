"""Log-probabilities of given tokens with their gradient: for losses of whole answers.

A loss that is not linear in its answers' log-probabilities says only after all of them what each
token's gradient is multiplied by (`assay.losses.chunks.compute_each_loss`).

Shape legend: N supervised positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from assay.losses.chunks import build_head, compute_each_loss
from assay.losses.cross_entropy import build_token_loss, compute_token_logprobs
from assay.losses.token_loss import choose_token_loss
from assay.models.fast.head_rows import HeadRows


def compute_logprobs(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    target_N: Tensor,
    *,
    softcap: float | None = None,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
    chunk: int | None = None,
) -> Tensor:
    """``log p_n(target_n)`` of each supervised position, float32, shape (N,).

    Args:
        hidden_ND: final hidden states of the supervised positions, any float dtype.
        weight_VD: the output head's weight, same dtype as `hidden_ND`.
        target_N: token ids, int64.
        softcap: Gemma 2's final logit soft cap, or None.
        bias_V: the output head's bias, or None.
        rows: trained rows in the places of those of `weight_VD`, or None.
        chunk: positions whose logits exist at one time; by default as `choose_chunk` has it.

    Returns:
        Differentiable, once, with respect to `hidden_ND`, `weight_VD`, the weight of `rows` and
        `bias_V`. Beside `hidden_ND` one tensor of its size is kept for the backward pass.
    """
    if not torch.is_grad_enabled():
        return compute_token_logprobs(
            hidden_ND, weight_VD, target_N, softcap=softcap, bias_V=bias_V, rows=rows, chunk=chunk
        )
    function = choose_token_loss(hidden_ND.device.type).function
    head = build_head(len(target_N), weight_VD, bias_V, rows, chunk)
    return -compute_each_loss(
        build_token_loss(function, target_N, softcap=softcap), hidden_ND, head
    )
