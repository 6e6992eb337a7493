"""Linear layers with a common input, each with a low-rank adapter or none, as one autograd node.

One product serves the adapters' inputs of all layers, nothing is kept but the input and its
projections, and no gradient is made that nobody needs.

Shape legend: M tokens, I inputs, O outputs, R rank, S sum of the ranks of all layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from assay.models.fast.matmul import add_matmul, compute_weight_grads, matmul, matmul_t


@dataclass(frozen=True)
class Adapter:
    """A low-rank update ``scale * B @ A`` (Hu et al. 2021, section 4.1): A (R, I), B (O, R)."""

    a_RI: Tensor
    b_OR: Tensor
    scale: float


@dataclass(frozen=True)
class Layer:
    """``x @ weight.T + bias + scale * x @ A.T @ B.T``.

    `load` gives the weight, shape (O, I), whenever it is needed: it is not kept, so that one which
    is quantised or sharded need not be whole in between. `trained` is the weight as a parameter
    where it is to be trained, which then is what `load` gives.
    """

    load: Callable[[], Tensor]
    bias_O: Tensor | None = None
    adapter: Adapter | None = None
    trained: Tensor | None = None


class _Part(NamedTuple):
    """What is differentiable in one layer, or a gradient or a need of each."""

    trained: Any
    bias: Any
    a: Any
    b: Any


@dataclass(frozen=True)
class _Plan:
    """What in the layers is no tensor; `dtype` is that of the computation."""

    loads: list[Callable[[], Tensor]]
    scales: list[float]
    dtype: torch.dtype


def apply_layers(x_MI: Tensor, layers: Sequence[Layer]) -> list[Tensor]:
    """The outputs, shapes (M, O), of `layers`, which share the input `x_MI`.

    Computes in the dtype of autocast where that is on, else in that of `x_MI`; gradients come in
    the dtypes of what they are for. Differentiable with respect to the input, trained weights,
    biases and adapters, each where it requires a gradient.
    """
    device = x_MI.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x_MI.dtype
    scales = [layer.adapter.scale if layer.adapter else 0.0 for layer in layers]
    plan = _Plan([layer.load for layer in layers], scales, dtype)
    tensors: list[Tensor | None] = []
    for layer in layers:
        adapter = layer.adapter
        pair = (adapter.a_RI, adapter.b_OR) if adapter else (None, None)
        tensors += [layer.trained, layer.bias_O, *pair]
    return list(_Layers.apply(x_MI, plan, *tensors))  # type: ignore[no-untyped-call]


class _Layers(torch.autograd.Function):
    """See `apply_layers`."""

    @staticmethod
    def forward(ctx: Any, x_MI: Tensor, plan: _Plan, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        x, parts = x_MI.to(plan.dtype), _to_parts(tensors)
        a_SI = _join([part.a for part in parts], plan.dtype)
        low_MS = None if a_SI is None else matmul_t(x, a_SI)
        lows = iter(_split(low_MS, parts))
        outputs = []
        for part, load, scale in zip(parts, plan.loads, plan.scales, strict=True):
            bias = None if part.bias is None else part.bias.to(plan.dtype)
            out = matmul_t(x, load().to(plan.dtype), bias)
            if part.b is not None:
                out = add_matmul(out, next(lows), (part.b * scale).to(plan.dtype).t())
            outputs.append(out)
        ctx.plan, ctx.x_dtype = plan, x_MI.dtype
        ctx.save_for_backward(x, low_MS, *tensors)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        plan: _Plan = ctx.plan
        x, low_MS, *tensors = ctx.saved_tensors
        needs_x, _, *flags = ctx.needs_input_grad
        parts, needs = _to_parts(tensors), _to_parts(flags)
        lows = iter(_split(low_MS, parts))
        wanted = [grad for grad, need in zip(grads, needs, strict=True) if need.trained]
        grads_w = iter(compute_weight_grads(wanted, x))
        found, low_grads = [], []
        for part, need, grad, scale in zip(parts, needs, grads, plan.scales, strict=True):
            grad_w = next(grads_w).to(part.trained.dtype) if need.trained else None
            grad_bias = grad.sum(0).to(part.bias.dtype) if need.bias else None
            grad_b = None
            if part.b is not None:
                low_MR = next(lows)
                grad_b = (matmul(low_MR.t(), grad).t() * scale).to(part.b.dtype) if need.b else None
                low_grads.append(matmul(grad, (part.b * scale).to(plan.dtype)))
            found.append(_Part(grad_w, grad_bias, None, grad_b))
        grad_low_MS = _join([low.t() for low in low_grads], plan.dtype)
        if grad_low_MS is not None:
            grad_a = iter(_split(matmul(grad_low_MS, x).t(), parts))
            found = [
                one if part.a is None else one._replace(a=next(grad_a).t().to(part.a.dtype))
                for one, part in zip(found, parts, strict=True)
            ]
        grad_x = _grad_of_input(plan, grads, grad_low_MS, parts) if needs_x else None
        flat = [value for one in found for value in one]
        return None if grad_x is None else grad_x.to(ctx.x_dtype), None, *flat


def _grad_of_input(
    plan: _Plan, grads: Sequence[Tensor], grad_low_SM: Tensor | None, parts: Sequence[_Part]
) -> Tensor | None:
    """The sum over layers, through their weights and through their adapters."""
    total: Tensor | None = None
    for grad, load in zip(grads, plan.loads, strict=True):
        weight = load().to(plan.dtype)
        total = matmul(grad, weight) if total is None else add_matmul(total, grad, weight)
    a_SI = _join([part.a for part in parts], plan.dtype)
    if total is not None and grad_low_SM is not None and a_SI is not None:
        total = add_matmul(total, grad_low_SM.t(), a_SI)
    return total


def _to_parts(values: Sequence[Any]) -> list[_Part]:
    return [_Part(*values[i : i + 4]) for i in range(0, len(values), 4)]


def _join(rows: Sequence[Tensor | None], dtype: torch.dtype) -> Tensor | None:
    """Matrices one above the other; None where there is none."""
    there = [part for part in rows if part is not None]
    if len(there) < 2:
        return there[0].to(dtype) if there else None
    return torch.cat(there).to(dtype)


def _split(columns_MS: Tensor | None, parts: Sequence[_Part]) -> tuple[Tensor, ...]:
    """The columns of each adapter, shapes (M, R)."""
    ranks = [len(part.a) for part in parts if part.a is not None]
    return () if columns_MS is None else torch.split(columns_MS, ranks, 1)
