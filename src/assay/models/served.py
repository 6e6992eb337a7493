"""Adapters in training as a folder that a server of adapters loads; it asks no server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from assay.config.start import WEIGHTS_NAME
from assay.errors import ConfigError, Problem

_START = "base_model.model."
"""What PEFT puts before the name of every weight of an adapter on disk."""


def read_adapter(model: Any) -> dict[str, Tensor]:
    """Copies of the weights of the LoRA adapter within a causal model, by PEFT's names on disk.

    Raises:
        ConfigError: the model has none, or one with weights that are no low-rank products.
    """
    from peft import get_peft_model_state_dict

    config = getattr(model, "peft_config", {}).get("default")
    if config is None or getattr(config.peft_type, "value", config.peft_type) != "LORA":
        raise _refuse("no LoRA adapter")
    found: dict[str, Tensor] = get_peft_model_state_dict(model, save_embedding_layers=False)
    others = sorted(name for name in found if not name.endswith(("lora_A.weight", "lora_B.weight")))
    if others:
        raise _refuse(f"an adapter with {others[0]}")
    return {f"{_START}{name}": one.detach().cpu().clone() for name, one in found.items()}


def write_adapter(model: Any, weights: dict[str, Tensor], folder: Path) -> None:
    """Write `weights` of `read_adapter` into a new `folder` in PEFT's layout, readable by all."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    model.peft_config["default"].save_pretrained(folder)
    save_file(weights, folder / WEIGHTS_NAME)
    # A server may run as somebody else, and safetensors writes for the owner alone.
    (folder / WEIGHTS_NAME).chmod(0o644)


def _refuse(got: str) -> ConfigError:
    return ConfigError(
        Problem(
            key="objective.engine",
            got=f"{got}, which vLLM cannot load",
            allowed="low-rank adapters of linear layers alone",
            do="set method to lora with target_modules of linear layers, or remove the engine",
        )
    )
