"""PiSSA (Meng et al. 2024): adapters that start as the largest singular values of the base.

The paper takes those out of the base's weights and trains beside the rest. Here they are taken out
beside the base: W_rest + s B A = W + s (B A - B0 A0), an adapter of twice the rank whose second
half, the start, is not trained. So the base stays as it is, in however few bits it is held, what is
saved fits it, and several tunings can share it.

Shape legend: R rank, I inputs, O outputs of a layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


@torch.no_grad()
def start_at_singular_values(peft_model: Any, rank: int) -> None:
    """Make each fresh LoRA layer of `peft_model`, of rank 2 `rank`, start as PiSSA's (section 3).

    The decomposition is of the values that the base's weights stand for, in float32.
    """
    from peft.tuners.lora import LoraLayer

    for layer in peft_model.modules():
        if isinstance(layer, LoraLayer) and "default" in layer.lora_A:
            _start(layer, rank)


def _start(layer: Any, rank: int) -> None:
    from peft.utils.integrations import dequantize_module_weight

    base = layer.get_base_layer()
    weight = dequantize_module_weight(base).detach().float()
    weight_OI = weight.T if getattr(layer, "fan_in_fan_out", False) else weight
    left, values, right = torch.linalg.svd(weight_OI, full_matrices=False)
    root_R = (values[:rank] / layer.scaling["default"]).sqrt()
    a_RI, b_OR = root_R[:, None] * right[:rank], left[:, :rank] * root_R
    layer.lora_A["default"] = HalfTrained(a_RI, a_RI, dim=0)
    layer.lora_B["default"] = HalfTrained(b_OR, -b_OR, dim=1)


class HalfTrained(nn.Module):
    """A linear layer without bias whose weight is `trained` and `fixed` along `dim`.

    It stands in for a layer of PEFT's, which reads its weight, and is saved as one weight.
    """

    bias = None

    def __init__(self, trained: Tensor, fixed: Tensor, *, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.trained = nn.Parameter(trained.clone().contiguous())
        self.register_buffer("fixed", fixed.clone().contiguous(), persistent=False)

    @property
    def weight(self) -> Tensor:
        """Both halves, of a gradient for the first alone."""
        return torch.cat([self.trained, self.fixed], self.dim)  # type: ignore[list-item]

    def forward(self, x: Tensor) -> Tensor:
        """``x @ weight.T``, of any shape."""
        return linear(x, self.weight)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        destination[prefix + "weight"] = self.weight if keep_vars else self.weight.detach()
