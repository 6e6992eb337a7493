"""Root-mean-square norm as one autograd node that keeps its input and a number a row, no more.

Shape legend: M rows, D size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_D: Tensor, offset: float, eps: float) -> Tensor:
        x32 = x.float()
        mean = torch.linalg.vector_norm(x32, dim=-1, keepdim=True).square_().div_(x.shape[-1])
        rstd = mean.add_(eps).rsqrt_()
        ctx.save_for_backward(x, rstd, weight_D)
        ctx.offset = offset
        normed: Tensor = x32 * rstd
        if offset:
            return normed.mul_(weight_D.float() + offset).to(x.dtype)
        return normed.to(x.dtype) * weight_D

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        x, rstd, weight_D = ctx.saved_tensors
        grad = grads[0].float()
        normed = x.float() * rstd
        grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = (grad * normed).flatten(0, -2).sum(0).to(weight_D.dtype)
        grad_x = None
        if ctx.needs_input_grad[0]:
            scaled = grad * (weight_D.float() + ctx.offset)
            along = torch.linalg.vecdot(scaled, normed)[..., None] / x.shape[-1]
            grad_x = scaled.sub_(normed.mul_(along)).mul_(rstd).to(x.dtype)
        return grad_x, grad_weight, None, None


def rms_norm(x: Tensor, weight_D: Tensor, *, offset: float, eps: float) -> Tensor:
    """``x / sqrt(mean(x^2) + eps) * (offset + weight)`` over the last dimension, in float32.

    Zhang and Sennrich 2019, equation 4; `offset` is 1 in Gemma, whose weights are held around
    zero and multiplied before rounding to the dtype of `x`, and 0 elsewhere, where it is after.
    """
    result: Tensor = _RmsNorm.apply(x, weight_D, offset, eps)  # type: ignore[no-untyped-call]
    return result
