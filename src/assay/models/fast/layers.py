"""Which modules the fused linear layers can stand for, and what those modules hold at a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from assay.models.fast.dora import apply_magnitude
from assay.models.fast.linear import Adapter, Layer, apply_layers
from assay.models.quantize import get_quant_state

Reason = str
"""Why a module keeps its own forward pass; empty where it need not."""


def find_obstacle(module: Any) -> Reason:
    """Why `module`, a linear layer, adapted or not, cannot be served; empty if it can."""
    if type(module) is nn.Linear:
        return ""
    base = getattr(module, "base_layer", None)
    if base is None or not hasattr(module, "lora_A"):
        return f"layers of type {type(module).__name__}"
    if type(base) is not nn.Linear and type(base).__name__ != "Linear4bit":
        return f"adapters on layers of type {type(base).__name__}"
    names = [name for name in module.active_adapters if name in module.lora_A]
    if len(names) != 1:
        return f"{len(names)} adapters on one layer"
    return _find_adapter_obstacle(module, names[0])


def _find_adapter_obstacle(module: Any, name: str) -> Reason:
    if module.merged:
        return "adapters that are merged"
    if getattr(module.lora_dropout[name], "p", 0.0):
        return "dropout"
    if getattr(module, "fan_in_fan_out", False):
        return "weights held transposed"
    if module.lora_A[name].bias is not None or module.lora_B[name].bias is not None:
        return "adapters with a bias"
    variant = module.lora_variant.get(name)
    if variant is not None and type(variant).__name__ != "DoraLinearVariant":
        return f"adapters of the kind {type(variant).__name__.removesuffix('Variant')}"
    return ""


def run_layers(modules: list[Any], x: Tensor) -> list[Tensor]:
    """What `modules` make of their common input, of any shape.

    Where one of them has an obstacle by now, as another adapter can bring, each runs its own pass.
    """
    if any(find_obstacle(module) for module in modules):
        return [type(module).forward(module, x) for module in modules]
    x_MI = x.reshape(-1, x.shape[-1])
    layers = [_describe(module) for module in modules]
    outputs = apply_layers(x_MI, layers)
    return [
        apply_magnitude(module, layer.load, out).reshape(*x.shape[:-1], -1)
        for module, layer, out in zip(modules, layers, outputs, strict=True)
    ]


def _describe(module: Any) -> Layer:
    """`module` as it is now: adapters may be switched off for a while."""
    base = getattr(module, "base_layer", module)
    bias = base.bias
    adapter = None
    if base is not module and not module.disable_adapters:
        (name,) = [name for name in module.active_adapters if name in module.lora_A]
        pair = (module.lora_A[name].weight, module.lora_B[name].weight)
        adapter = Adapter(*pair, module.scaling[name])
        # The magnitude multiplies what comes before the bias.
        bias = None if module.lora_variant.get(name) is not None else bias
    weight = base.weight
    return Layer(_loader(base), bias, adapter, weight if weight.requires_grad else None)


def _loader(base: Any) -> Callable[[], Tensor]:
    if type(base) is nn.Linear:
        return lambda: base.weight

    def dequantize() -> Tensor:
        from bitsandbytes.functional import dequantize_4bit

        with torch.no_grad():
            return dequantize_4bit(base.weight.data, get_quant_state(base))  # type: ignore[no-any-return]

    return dequantize
