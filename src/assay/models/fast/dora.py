"""DoRA's magnitude on the output of a fused layer, without ever making the updated weight.

Shape legend: M tokens, I inputs, O outputs, R rank.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from assay.models.fast.matmul import matmul_t


def apply_magnitude(module: Any, load: Callable[[], Tensor], out_MO: Tensor) -> Tensor:
    """``magnitude / ||W + scale * B @ A|| * out + bias``; `out` where `module` has no magnitude.

    `load` gives the weight W, dequantised where it is quantised. Liu et al. 2024 (DoRA), equation
    5; the norm is a constant to the gradient (section 4.3).
    """
    found = _find_magnitude(module)
    if found is None:
        return out_MO
    name, magnitude_O = found
    norm_O = compute_weight_norm(
        load(),
        module.lora_A[name].weight,
        module.lora_B[name].weight,
        module.scaling[name],
    )
    out_MO = out_MO * (magnitude_O / norm_O).to(out_MO.dtype)
    bias = module.get_base_layer().bias
    return out_MO if bias is None else out_MO + bias.to(out_MO.dtype)


def _find_magnitude(module: Any) -> tuple[str, Tensor] | None:
    if not hasattr(module, "lora_A") or module.disable_adapters:
        return None
    for name in module.active_adapters:
        if name in module.lora_variant:
            return name, module.lora_magnitude_vector[name].weight
    return None


@torch.no_grad()
def compute_weight_norm(weight_OI: Tensor, a_RI: Tensor, b_OR: Tensor, scale: float) -> Tensor:
    """Norm of each row of ``W + scale * B @ A``, float32, shape (O,).

    Expanded as ``|w|^2 + 2 s b.(A w) + s^2 b.(A A^T) b``, whose products are as small as the rank:
    the sum itself, as large as the weight, is not made.
    """
    weight = weight_OI.float()
    a, b = a_RI.float(), b_OR.float()
    square_O = torch.linalg.vecdot(weight, weight)
    cross_O = torch.linalg.vecdot(matmul_t(weight, a), b)
    own_O = torch.linalg.vecdot(matmul_t(b, matmul_t(a, a)), b)
    norm_O: Tensor = (square_O + 2 * scale * cross_O + scale**2 * own_O).clamp_min_(0).sqrt_()
    return norm_O
