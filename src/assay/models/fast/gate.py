"""The gated product of an MLP, ``act(gate) * up``, which keeps its two inputs and nothing else."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, silu

SILU, GELU_TANH = "silu", "gelu_tanh"


class _GatedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, act: str) -> Tensor:
        ctx.save_for_backward(gate, up)
        ctx.act = act
        return _activate(gate, act).mul_(up)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        gate, up = ctx.saved_tensors
        grad_up = _activate(gate, ctx.act).mul_(grads[0])
        return _grad_of_act(grads[0] * up, gate, ctx.act), grad_up, None


def _activate(gate: Tensor, act: str) -> Tensor:
    return silu(gate) if act == SILU else gelu(gate, approximate="tanh")


def _grad_of_act(grad: Tensor, gate: Tensor, act: str) -> Tensor:
    if act == SILU:
        return torch.ops.aten.silu_backward(grad, gate)  # type: ignore[no-any-return]
    return torch.ops.aten.gelu_backward(grad, gate, approximate="tanh")  # type: ignore[no-any-return]


def gated_product(gate: Tensor, up: Tensor, act: str) -> Tensor:
    """``act(gate) * up``, elementwise; `act` is ``silu`` or ``gelu_tanh`` (Shazeer 2020)."""
    result: Tensor = _GatedProduct.apply(gate, up, act)  # type: ignore[no-untyped-call]
    return result
