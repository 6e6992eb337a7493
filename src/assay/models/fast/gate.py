"""The gated product of an MLP, ``act(gate) * up``, which keeps its two inputs and nothing else."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, silu

from assay.models.fast.kernels import kernel

SILU, GELU_TANH = "silu", "gelu_tanh"


@kernel
def _multiply(gate: Tensor, up: Tensor, act: str) -> Tensor:
    return _activate(gate, act).mul_(up)


@kernel
def _grads(grad: Tensor, gate: Tensor, up: Tensor, act: str) -> tuple[Tensor, Tensor]:
    if act == SILU:
        grad_gate = torch.ops.aten.silu_backward(grad * up, gate)
    else:
        grad_gate = torch.ops.aten.gelu_backward(grad * up, gate, approximate="tanh")
    return grad_gate, _activate(gate, act).mul_(grad)


def _activate(gate: Tensor, act: str) -> Tensor:
    return silu(gate) if act == SILU else gelu(gate, approximate="tanh")


class _GatedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, act: str) -> Tensor:
        ctx.save_for_backward(gate, up)
        ctx.act = act
        out: Tensor = _multiply(gate, up, act)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        gate, up = ctx.saved_tensors
        return *_grads(grads[0], gate, up, ctx.act), None


def gated_product(gate: Tensor, up: Tensor, act: str) -> Tensor:
    """``act(gate) * up``, elementwise; `act` is ``silu`` or ``gelu_tanh`` (Shazeer 2020)."""
    result: Tensor = _GatedProduct.apply(gate, up, act)  # type: ignore[no-untyped-call]
    return result
