"""An adapter of low rank as plain tensors, read from PEFT's layout without touching a model.

Shape legend: R rank, I inputs, O outputs of a linear layer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from assay.errors import CheckpointError

_PREFIX = "base_model.model."
_WEIGHT = re.compile(r"(.+)\.lora_([AB])(?:\.default)?\.weight")
_WITHOUT = ("use_dora", "trainable_token_indices", "modules_to_save", "target_parameters")
"""Keys of a configuration that stand for more than an update of low rank where they are set."""


@dataclass(frozen=True)
class Update:
    """What is added to one linear layer's weight: ``b_OR @ a_RI``, the scale within `b_OR`."""

    a_RI: Tensor
    b_OR: Tensor


@dataclass(frozen=True, eq=False)
class LowRank:
    """Updates by the names of the linear layers in the base's causal model."""

    name: str
    updates: Mapping[str, Update]

    @property
    def num_bytes(self) -> int:
        pairs = self.updates.values()
        return sum(t.numel() * t.element_size() for u in pairs for t in (u.a_RI, u.b_OR))


def load_low_rank(folder: Path, name: str, *, device: torch.device | None = None) -> LowRank:
    """The LoRA adapter in `folder` (Hu et al. 2021; rsLoRA's scale too), in float32.

    Raises:
        CheckpointError: the files cannot be read, or the adapter is more than an update of low
            rank: each reason is told.
    """
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "adapter_model.safetensors", device=str(device or "cpu"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: an adapter that cannot be read ({error})") from error
    reasons = _find_obstacles(config, tensors)
    if reasons:
        raise CheckpointError(
            f"{folder}: an adapter with {', '.join(reasons)}; only updates of low rank (LoRA,"
            " rsLoRA, PiSSA) are served beside others: export it merged, and serve that as a base"
        )
    return LowRank(name, _build_updates(config, tensors))


def _find_obstacles(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> list[str]:
    found = [f"the kind {config.get('peft_type')}"] if config.get("peft_type") != "LORA" else []
    found += [f"{key} set" for key in _WITHOUT if config.get(key)]
    found += [f"bias {config['bias']}"] if config.get("bias", "none") != "none" else []
    found += ["weights held transposed"] if config.get("fan_in_fan_out") else []
    odd = sorted(name for name in tensors if not _WEIGHT.fullmatch(name))
    return found + [f"the tensor {name}" for name in odd[:3]]


def _build_updates(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Update]:
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        match = _WEIGHT.fullmatch(key)
        assert match is not None
        pairs.setdefault(match[1].removeprefix(_PREFIX), {})[match[2]] = tensor.float()
    updates = {}
    for name, pair in sorted(pairs.items()):
        if set(pair) != {"A", "B"}:
            raise CheckpointError(f"the adapter has one half of {name} alone")
        scale = _find_scale(config, name, rank=len(pair["A"]))
        updates[name] = Update(pair["A"].contiguous(), (pair["B"] * scale).contiguous())
    return updates


def _find_scale(config: Mapping[str, Any], name: str, *, rank: int) -> float:
    """Alpha by the rank, or by its root; a pattern names the end of a layer's path, as in PEFT."""
    alpha = float(config["lora_alpha"])
    for pattern, own in (config.get("alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", name):
            alpha = float(own)
            break
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)
