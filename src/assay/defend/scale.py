"""A tuned model made milder: its adapter scaled, or its weights drawn back towards the base's.

For LoRA the two are one: the weights are W + s·BA, a line from the base (s = 0) to the tuned model
(s = 1), as WiSE-FT has it (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from assay.defend.adapter_files import SavedAdapter
from assay.errors import ConfigError


@contextmanager
def adapters_scaled(model: Any, factor: float) -> Iterator[None]:
    """`model` with the update of its LoRA adapters multiplied by `factor` for a while.

    Raises:
        ConfigError: it has no LoRA layer, or some of DoRA, whose update is no multiple.
    """
    from peft.tuners.lora import LoraLayer

    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    if not layers or any(any(layer.use_dora.values()) for layer in layers):
        raise ConfigError("an adapter that cannot be scaled: only LoRA without DoRA can")
    before = [dict(layer.scaling) for layer in layers]
    for layer in layers:
        layer.scaling.update({name: factor * scale for name, scale in layer.scaling.items()})
    try:
        yield
    finally:
        for layer, scaling in zip(layers, before, strict=True):
            layer.scaling.update(scaling)


def scale_adapter(adapter: SavedAdapter, factor: float) -> SavedAdapter:
    """`adapter` with its update multiplied by `factor`: alpha is, and the tensors stay.

    PEFT's scale is proportional to alpha, with rsLoRA too, so nothing else has to change.
    """
    config = dict(adapter.config)
    config["lora_alpha"] = factor * config["lora_alpha"]
    pattern = config.get("alpha_pattern") or {}
    config["alpha_pattern"] = {name: factor * alpha for name, alpha in pattern.items()}
    return replace(adapter, config=config)


def interpolate_weights(
    base: Mapping[str, Tensor], tuned: Mapping[str, Tensor], factor: float
) -> dict[str, Tensor]:
    """``(1 - factor) * base + factor * tuned`` of models with the same tensors, in tuned's dtypes.

    It is made in float32; at factors of 0 and 1 it is the base and the tuned model bit for bit,
    where both have the same dtype. Integers are those of the tuned model.

    Raises:
        ConfigError: names or shapes differ, as after rows for new tokens were added.
    """
    odd = sorted(base.keys() ^ tuned.keys())
    odd += [name for name in base.keys() & tuned.keys() if base[name].shape != tuned[name].shape]
    if odd:
        raise ConfigError(f"models of different shape: {', '.join(odd[:3])} differ")
    return {name: _interpolate(base[name], end, factor) for name, end in tuned.items()}


def _interpolate(start: Tensor, end: Tensor, factor: float) -> Tensor:
    if not end.is_floating_point():
        return end
    return torch.lerp(start.float(), end.float(), factor).to(end.dtype)
