"""Log-probabilities of given tokens with their gradient, in chunks: for losses of whole answers.

A loss that is not linear in its answers' log-probabilities says only after all of them what each
token's gradient is multiplied by. The gradient of one token's log-probability is that of a single
row of hidden states, whatever the others are; so where the head is frozen it is made in the
forward pass, as that of a cross-entropy is, and multiplied in the backward pass. Where the head or
rows of it are trained, the logits are computed anew there.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from assay.losses.cross_entropy import (
    ChunkGradients,
    choose_chunk,
    compute_raw_logits,
    compute_token_logprobs,
)
from assay.losses.token_loss import TokenLoss, choose_token_loss
from assay.models.fast.head_rows import HeadRows


class _Logprobs(torch.autograd.Function):
    """Hidden states, head, targets and what belongs to the head to log-probabilities (N,)."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        target_N: Tensor,
        softcap: float | None,
        chunk: int,
        ids_R: Tensor | None,
        rows_RD: Tensor | None,
        bias_V: Tensor | None,
    ) -> Tensor:
        needs_hidden, needs_weight, *_, needs_rows, needs_bias = ctx.needs_input_grad
        ctx.softcap, ctx.chunk = softcap, chunk
        ctx.trains_head = needs_weight or needs_rows or needs_bias
        head = (weight_VD, ids_R, rows_RD, bias_V)
        in_forward = needs_hidden and not ctx.trains_head
        rows = _rows(head)
        grads = ChunkGradients(ctx, hidden_ND, weight_VD, bias_V, rows) if in_forward else None
        logprobs_N = hidden_ND.new_zeros(len(target_N), dtype=torch.float32)
        ones_N = torch.ones_like(logprobs_N)
        losses = _iterate_losses(
            hidden_ND, head, target_N, softcap=softcap, chunk=chunk, needs_grad=in_forward
        )
        for part, found in losses:
            logprobs_N[part] = -found.loss_C
            if grads is not None and found.grad_CV is not None:
                grads.add(part, found.grad_CV, ones_N[part], hidden_ND[part], weight_VD)
        if grads is not None:
            ctx.save_for_backward(grads.hidden_ND)
        else:
            ctx.save_for_backward(hidden_ND, target_N, *head)
        return logprobs_N

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (upstream_N,) = grad_outputs
        if not ctx.trains_head:
            (loss_grad_ND,) = ctx.saved_tensors
            factors_N1 = -upstream_N[:, None].to(loss_grad_ND.dtype)
            return loss_grad_ND * factors_N1, *[None] * 7
        hidden_ND, target_N, *head = ctx.saved_tensors
        weight_VD, _, rows_RD, bias_V = head
        grads = ChunkGradients(ctx, hidden_ND, weight_VD, bias_V, _rows(head))
        losses = _iterate_losses(
            hidden_ND, head, target_N, softcap=ctx.softcap, chunk=ctx.chunk, needs_grad=True
        )
        for part, found in losses:
            assert found.grad_CV is not None
            grads.add(part, found.grad_CV, -upstream_N[part], hidden_ND[part], weight_VD)
        found_VD = grads.take_weight(weight_VD.dtype)
        found_RD = None if grads.rows_RD is None else grads.rows_RD.to(rows_RD.dtype)
        found_V = None if grads.bias_V is None else grads.bias_V.to(bias_V.dtype)
        return grads.hidden_ND, found_VD, *[None] * 4, found_RD, found_V


def _rows(head: Any) -> HeadRows | None:
    _, ids_R, rows_RD, _ = head
    return None if ids_R is None or rows_RD is None else HeadRows(ids_R, rows_RD)


def _iterate_losses(
    hidden_ND: Tensor,
    head: Any,
    target_N: Tensor,
    *,
    softcap: float | None,
    chunk: int,
    needs_grad: bool,
) -> Iterator[tuple[slice, TokenLoss]]:
    """-log p of each chunk's targets, with the gradient with respect to its logits."""
    weight_VD, _, _, bias_V = head
    compute = choose_token_loss(hidden_ND.device.type).function
    for start in range(0, len(target_N), chunk):
        part = slice(start, start + chunk)
        yield (
            part,
            compute(
                compute_raw_logits(hidden_ND[part], weight_VD, bias_V, _rows(head)),
                target_N[part],
                label_smoothing=0.0,
                softcap=softcap,
                needs_grad=needs_grad,
            ),
        )


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
    logprobs_N: Tensor = _Logprobs.apply(  # type: ignore[no-untyped-call]
        hidden_ND,
        weight_VD,
        target_N,
        softcap,
        chunk or choose_chunk(len(target_N), weight_VD),
        None if rows is None else rows.ids_R,
        None if rows is None else rows.weight_RD,
        bias_V,
    )
    return logprobs_N
