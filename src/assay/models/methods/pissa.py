"""PiSSA (Meng et al. 2024): adapters that start as the largest singular values of the base.

PEFT takes those out of the base's weights, in which only the rest remains. What is saved must fit
the base as it is, so the start is remembered and subtracted: W_rest + s B A = W + s (B A - B0 A0),
an adapter of twice the rank beside the original W.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

_START = "pissa_start"


def remember_start(peft_model: Any) -> None:
    """Keep the adapter's weights as they are now, before any step."""
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
    start = {name: tensor.detach().clone() for name, tensor in state.items() if ".lora_" in name}
    setattr(peft_model, _START, start)


def has_start(peft_model: Any) -> bool:
    """Whether the adapter began by rewriting the base, so that `save_difference` is due."""
    return hasattr(peft_model, _START)


def save_difference(peft_model: Any, folder: Path) -> None:
    """Write, in PEFT's layout, the plain adapter of twice the rank that fits the original base."""
    from peft import get_peft_model_state_dict

    start: dict[str, Tensor] = getattr(peft_model, _START)
    state = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
    folder.mkdir(parents=True, exist_ok=True)
    joined = {name: _join(name, tensor, start).contiguous() for name, tensor in state.items()}
    save_file(joined, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = copy.deepcopy(peft_model.peft_config["default"])
    config.init_lora_weights = True
    config.inference_mode = True
    config.r *= 2
    # The scale stays: alpha / rank, or alpha / the root of the rank.
    config.lora_alpha *= 2**0.5 if config.use_rslora else 2
    config.save_pretrained(folder)


def _join(name: str, tensor: Tensor, start: dict[str, Tensor]) -> Tensor:
    """B A - B0 A0 = [B | -B0] [A ; A0]."""
    if name.endswith("lora_A.weight"):
        return torch.cat([tensor, start[name].to(tensor)])
    if name.endswith("lora_B.weight"):
        return torch.cat([tensor, -start[name].to(tensor)], dim=1)
    return tensor
