"""Products of a decoder layer for one token of each row: layers that share their input as one.

Float32 weights of a small model are joined, with what adapters add, and laid out for the library
that multiplies (`joined`); others are read where they are (`live`). Either holds until the weights
change. Shape legend: B rows, I inputs, O outputs of all layers together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from assay.models.fast.layers import find_obstacle, run_layers
from assay.models.fast.matmul import uses_onednn

Product = Callable[[Tensor, Tensor | None], Tensor]
"""Takes (B, I) and what is added to the outputs, or None; gives (B, O)."""
MOST_JOINED_BYTES = 256 << 20
"""Of a model's linear layers: more are not copied."""
_ROWS = 16
"""Rows for which weights are laid out; they serve any number."""


def can_join(modules: Sequence[Any], head_VD: Tensor) -> bool:
    """Whether copies of the linear layers `modules` and the head are small and gain anything."""
    weights = [getattr(module, "base_layer", module).weight for module in modules]
    return (
        sum(weight.numel() for weight in (*weights, head_VD)) * 4 <= MOST_JOINED_BYTES
        and all(map(uses_onednn, (*weights, head_VD)))
        and all(map(_is_plain, modules))
    )


def _is_plain(module: Any) -> bool:
    """A linear layer with at most a low-rank update of its weight.

    Dropout is off where a model decodes.
    """
    return find_obstacle(module) in ("", "dropout") and not getattr(module, "lora_variant", None)


def joined(modules: Sequence[Any]) -> Product:
    """The product with a copy of the weights as they are now."""
    weight_OI = torch.cat([_compute_weight(module) for module in modules])
    return lay_out(weight_OI, _join_bias(modules))


def lay_out(weight_OI: Tensor, bias_O: Tensor | None) -> Product:
    """The product with a copy of a float32 weight as the library wants it."""
    packed = torch.ops.mkldnn._reorder_linear_weight(weight_OI, _ROWS)

    def run(x_BI: Tensor, added_BO: Tensor | None = None) -> Tensor:
        if added_BO is None:
            out: Tensor = torch.ops.mkldnn._linear_pointwise(x_BI, packed, bias_O, "none", [], "")
            return out
        total: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            x_BI, added_BO, packed, bias_O, "add"
        )
        return total

    return run


def _compute_weight(module: Any) -> Tensor:
    base = getattr(module, "base_layer", module)
    weight: Tensor = base.weight.detach()
    if base is module or module.disable_adapters:
        return weight
    (name,) = [name for name in module.active_adapters if name in module.lora_A]
    a_RI, b_OR = module.lora_A[name].weight.detach(), module.lora_B[name].weight.detach()
    return torch.addmm(
        weight, b_OR.to(weight.dtype), a_RI.to(weight.dtype), alpha=module.scaling[name]
    )


def _join_bias(modules: Sequence[Any]) -> Tensor | None:
    bases = [getattr(module, "base_layer", module) for module in modules]
    if all(base.bias is None for base in bases):
        return None
    parts = [
        torch.zeros(len(base.weight)) if base.bias is None else base.bias.detach() for base in bases
    ]
    return torch.cat(parts)


def live(modules: Sequence[Any]) -> Product:
    """The product with the weights where they are, adapters of any kind beside them."""

    def run(x_BI: Tensor, added_BO: Tensor | None = None) -> Tensor:
        outputs = run_layers(list(modules), x_BI)
        out = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)
        return out if added_BO is None else added_BO + out

    return run


def is_linear(module: Any) -> bool:
    """Whether `run_layers` can stand for `module`: a linear layer, adapted or not."""
    return isinstance(module, nn.Module) and (
        type(module) is nn.Linear or not find_obstacle(module) or hasattr(module, "base_layer")
    )
