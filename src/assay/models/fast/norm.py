"""Root-mean-square norm as one autograd node that keeps its input and a number a row, no more.

Shape legend: M rows, D size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from assay.models.fast.kernels import kernel


@kernel
def _normalise(x: Tensor, weight_D: Tensor, offset: float, eps: float) -> tuple[Tensor, Tensor]:
    """The output, and one over the root of each row's mean square."""
    x32 = x.float()
    mean = torch.linalg.vector_norm(x32, dim=-1, keepdim=True).square() / x.shape[-1]
    rstd = (mean + eps).rsqrt()
    normed = x32 * rstd
    if offset:
        return (normed * (weight_D.float() + offset)).to(x.dtype), rstd
    return normed.to(x.dtype) * weight_D, rstd


@kernel
def _grad_of_input(
    grad: Tensor, x: Tensor, rstd: Tensor, weight_D: Tensor, offset: float
) -> Tensor:
    x32, scaled = x.float(), grad.float() * (weight_D.float() + offset)
    along = torch.linalg.vecdot(scaled, x32)[..., None] * (rstd**3 / x.shape[-1])
    grad_x: Tensor = scaled.mul_(rstd).addcmul_(x32, along, value=-1)
    return grad_x.to(x.dtype)


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_D: Tensor, offset: float, eps: float) -> Tensor:
        out, rstd = _normalise(x, weight_D, offset, eps)
        ctx.save_for_backward(x, rstd, weight_D)
        ctx.offset = offset
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        x, rstd, weight_D = ctx.saved_tensors
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = _grad_of_input(grads[0], x, rstd, weight_D, ctx.offset)
        if ctx.needs_input_grad[1]:
            along_D = (grads[0].float() * (x.float() * rstd)).flatten(0, -2).sum(0)
            grad_weight = along_D.to(weight_D.dtype)
        return grad_x, grad_weight, None, None


def rms_norm(x: Tensor, weight_D: Tensor, *, offset: float, eps: float) -> Tensor:
    """``x / sqrt(mean(x^2) + eps) * (offset + weight)`` over the last dimension, in float32.

    Zhang and Sennrich 2019, equation 4; `offset` is 1 in Gemma, whose weights are held around
    zero and multiplied before rounding to the dtype of `x`, and 0 elsewhere, where it is after.
    """
    result: Tensor = _RmsNorm.apply(x, weight_D, offset, eps)  # type: ignore[no-untyped-call]
    return result
