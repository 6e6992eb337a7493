"""The one loop over supervised positions, whose logits never all exist at one time.

A loss (`PositionLoss`) says of the logits of a chunk of positions what each of them loses, and how
that changes with the logits. The loop makes the logits, and out of that gradient the one of hidden
states and head. It knows no target, no reference and no objective.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary,
R trained rows of the head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from assay.losses.chunk_gradients import ChunkGradients, scale_gradients
from assay.losses.token_loss import TokenLoss, cap_logits
from assay.models.fast.head_rows import HeadRows
from assay.models.fast.matmul import matmul_t

MOST_POSITIONS, MOST_TRAINED_POSITIONS = 256, 512
CHUNK_BYTES = {"cpu": 32 << 20, "cuda": 512 << 20}
"""Of one chunk's float32 logits. Beyond 32 MiB the C library maps every buffer anew, and the pages
it faults in cost more than the products: measured three times the softmax's time."""


def choose_chunk(num_positions: int, weight_VD: Tensor) -> int:
    """Positions whose logits are held at one time, from the vocabulary and the device.

    Where a CPU trains the head, each chunk adds to its whole gradient, so there chunks are larger:
    their logits may take what that gradient does. The positions are spread evenly.
    """
    on_cpu = weight_VD.device.type == "cpu"
    most = CHUNK_BYTES.get(weight_VD.device.type, CHUNK_BYTES["cuda"]) // (4 * len(weight_VD))
    if on_cpu:
        most = min(most, MOST_POSITIONS)
    if on_cpu and weight_VD.requires_grad:
        most = max(most, min(weight_VD.shape[1], MOST_TRAINED_POSITIONS))
    num_chunks = math.ceil(num_positions / max(16, most))
    return math.ceil(num_positions / max(1, num_chunks)) or 1


def compute_logits(
    hidden_CD: Tensor,
    weight_VD: Tensor,
    softcap: float | None,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
) -> Tensor:
    """Logits in float32, shape (C, V), with Phi's optional bias and Gemma 2's tanh soft cap.

    No autograd goes through it where there are `rows`.
    """
    return cap_logits(compute_raw_logits(hidden_CD, weight_VD, bias_V, rows), softcap)


def compute_raw_logits(
    hidden_CD: Tensor, weight_VD: Tensor, bias_V: Tensor | None, rows: HeadRows | None
) -> Tensor:
    """In the dtype of the product, in float32 where a bias is added."""
    logits_CV = matmul_t(hidden_CD, weight_VD)
    if rows is not None:
        rows.put_into(logits_CV, hidden_CD)
    return logits_CV if bias_V is None else logits_CV.float().add_(bias_V)


class PositionLoss(Protocol):
    """What the positions of one chunk lose."""

    def __call__(
        self, part: slice, get_logits: Callable[[], Tensor], *, needs_grad: bool
    ) -> TokenLoss:
        """Losses of the positions `part`, and the gradient with respect to their logits.

        `get_logits` makes those, before any soft cap, shape (C, V); whoever calls it alone has
        them, may use them up, and lets go of them as soon as it has its own.
        """
        ...


@dataclass(frozen=True)
class ChunkedHead:
    """An output head, and how many positions' logits it gives at one time."""

    weight_VD: Tensor
    bias_V: Tensor | None
    rows: HeadRows | None
    chunk: int

    def iterate(
        self, position_loss: PositionLoss, hidden_ND: Tensor, *, needs_grad: bool
    ) -> Iterator[tuple[slice, TokenLoss]]:
        """The losses chunk by chunk: this is the loop."""
        for start in range(0, len(hidden_ND), self.chunk):
            part = slice(start, start + self.chunk)

            def get_logits(hidden_CD: Tensor = hidden_ND[part]) -> Tensor:
                return compute_raw_logits(hidden_CD, self.weight_VD, self.bias_V, self.rows)

            yield part, position_loss(part, get_logits, needs_grad=needs_grad)

    def make_gradients(self, ctx: Any, hidden_ND: Tensor) -> ChunkGradients:
        """Empty ones of what the autograd function of `ctx` is to differentiate."""
        return ChunkGradients(ctx, hidden_ND, self.weight_VD, self.bias_V, self.rows)

    def detach(self) -> ChunkedHead:
        """The same without gradients."""
        bias_V = None if self.bias_V is None else self.bias_V.detach()
        rows = self.rows and HeadRows(self.rows.ids_R, self.rows.weight_RD.detach())
        return ChunkedHead(self.weight_VD.detach(), bias_V, rows, self.chunk)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What an autograd function takes last: see `_join`."""
        ids_R, rows_RD = (
            (None, None) if self.rows is None else (self.rows.ids_R, self.rows.weight_RD)
        )
        return self.chunk, ids_R, rows_RD, self.bias_V


def _join(weight_VD: Tensor, chunk: int, ids_R: Any, rows_RD: Any, bias_V: Any) -> ChunkedHead:
    rows = None if ids_R is None or rows_RD is None else HeadRows(ids_R, rows_RD)
    return ChunkedHead(weight_VD, bias_V, rows, chunk)


def build_head(
    num_positions: int,
    weight_VD: Tensor,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
    chunk: int | None = None,
) -> ChunkedHead:
    """The head of a loss over `num_positions`, with the usual chunk where none is given."""
    return ChunkedHead(weight_VD, bias_V, rows, chunk or choose_chunk(num_positions, weight_VD))


def compute_loss_sum(
    position_loss: PositionLoss, hidden_ND: Tensor, head: ChunkedHead, scale_N: Tensor
) -> Tensor:
    """``sum_n scale_n * loss_n``, a float32 scalar; gradients are made in the forward pass.

    Differentiable with respect to `hidden_ND` and the head's weight, bias and trained rows.
    """
    if not torch.is_grad_enabled():
        # Autograd functions report a parameter as needing its gradient even then: as much work.
        hidden_ND, head = hidden_ND.detach(), head.detach()
    loss: Tensor = _LossSum.apply(  # type: ignore[no-untyped-call]
        hidden_ND, head.weight_VD, scale_N, position_loss, *head.inputs
    )
    return loss


def compute_each_loss(position_loss: PositionLoss, hidden_ND: Tensor, head: ChunkedHead) -> Tensor:
    """``loss_n`` of each position, float32, shape (N,): for what is not linear in them.

    Differentiable, once, as `compute_loss_sum` is. The gradient of one position's loss is that of a
    single row of hidden states, whatever the others are multiplied by later; so where the head is
    frozen it is made in the forward pass, and multiplied in the backward pass. Where the head or
    rows of it are trained, the logits are computed anew there. Beside `hidden_ND` one tensor of its
    size is kept for the backward pass.
    """
    if torch.is_grad_enabled():
        losses_N: Tensor = _EachLoss.apply(  # type: ignore[no-untyped-call]
            hidden_ND, head.weight_VD, position_loss, *head.inputs
        )
        return losses_N
    losses_N = hidden_ND.new_zeros(len(hidden_ND), dtype=torch.float32)
    for part, found in head.iterate(position_loss, hidden_ND, needs_grad=False):
        losses_N[part] = found.loss_C
    return losses_N


class _LossSum(torch.autograd.Function):
    """Hidden states, weight, scales, the loss, and what belongs to the head, to a scalar."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        scale_N: Tensor,
        position_loss: PositionLoss,
        *others: Any,
    ) -> Tensor:
        head = _join(weight_VD, *others)
        grads = head.make_gradients(ctx, hidden_ND)
        total = hidden_ND.new_zeros((), dtype=torch.float32)
        losses = head.iterate(position_loss, hidden_ND, needs_grad=grads.are_needed)
        for part, found in losses:
            total += (found.loss_C * scale_N[part]).sum()
            if found.grad_CV is not None:
                grads.add(part, found.grad_CV, scale_N[part], hidden_ND[part], weight_VD)
        grads.save(ctx, weight_VD.dtype)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_weight, *others = scale_gradients(ctx, grad_outputs[0])
        return grad_hidden, grad_weight, *[None] * 4, *others


class _EachLoss(torch.autograd.Function):
    """Hidden states, weight, the loss, and what belongs to the head, to losses (N,)."""

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, position_loss: PositionLoss, *others: Any
    ) -> Tensor:
        needs_hidden, needs_weight, *_, needs_rows, needs_bias = ctx.needs_input_grad
        trains_head = needs_weight or needs_rows or needs_bias
        in_forward = needs_hidden and not trains_head
        head = _join(weight_VD, *others)
        grads = head.make_gradients(ctx, hidden_ND) if in_forward else None
        losses_N = hidden_ND.new_zeros(len(hidden_ND), dtype=torch.float32)
        ones_N = torch.ones_like(losses_N)
        losses = head.iterate(position_loss, hidden_ND, needs_grad=in_forward)
        for part, found in losses:
            losses_N[part] = found.loss_C
            if grads is not None and found.grad_CV is not None:
                grads.add(part, found.grad_CV, ones_N[part], hidden_ND[part], weight_VD)
        chunk, *parts = others
        ctx.trains_head, ctx.position_loss, ctx.chunk = trains_head, position_loss, chunk
        ctx.save_for_backward(
            *((hidden_ND, weight_VD, *parts) if grads is None else (grads.hidden_ND,))
        )
        return losses_N

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (upstream_N,) = grad_outputs
        if not ctx.trains_head:
            (loss_grad_ND,) = ctx.saved_tensors
            return loss_grad_ND * upstream_N[:, None].to(loss_grad_ND.dtype), *[None] * 6
        hidden_ND, weight_VD, *parts = ctx.saved_tensors
        head = _join(weight_VD, ctx.chunk, *parts)
        grads = head.make_gradients(ctx, hidden_ND)
        for part, found in head.iterate(ctx.position_loss, hidden_ND, needs_grad=True):
            assert found.grad_CV is not None
            grads.add(part, found.grad_CV, upstream_N[part], hidden_ND[part], weight_VD)
        grad_weight, grad_rows, grad_bias = grads.take_head(weight_VD, head.rows, head.bias_V)
        return grads.hidden_ND, grad_weight, *[None] * 3, grad_rows, grad_bias
