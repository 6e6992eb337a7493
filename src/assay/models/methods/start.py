"""Adapters that go on from others: one as it is, or the exact sum of several in a fresh one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from assay.errors import ConfigError, Problem
from assay.models.adapters import without_notices
from assay.models.methods.token_rows import train_token_rows
from assay.models.methods.virtual_tokens import put_in_virtual_tokens
from assay.models.quantize import import_bitsandbytes

_PREFIX = "base_model.model."


def go_on_from(model: Any, folder: Path, *, new_token_ids: Sequence[int] = ()) -> Any:
    """`model` with the adapter of `folder` as it is, made trainable; returns the PEFT model.

    Raises:
        ConfigError: the adapter is of another base, or has rows for other tokens than
            `new_token_ids`.
    """
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    rows = config.get("trainable_token_indices")
    if (rows or None) != train_token_rows(model, new_token_ids):
        raise ConfigError(
            Problem(
                key="base.new_tokens",
                got=f"new tokens {list(new_token_ids)}, where {folder} has rows for {rows}",
                allowed="the new tokens that the adapter was tuned with, in their order",
                do="give base.new_tokens as in the adapter's own recipe",
            )
        )
    if config["peft_type"] == "P_TUNING" or config.get("prefix_projection"):
        raise _refuse(f"{folder}, which has what its encoder made, and not the encoder")
    try:
        with without_notices():
            peft_model = _load_trainable(model, folder)
    except (KeyError, RuntimeError, ValueError) as error:
        raise _refuse(f"{folder} ({str(error).strip().splitlines()[0]})") from error
    return put_in_virtual_tokens(peft_model)


def _load_trainable(model: Any, folder: Path) -> Any:
    import_bitsandbytes()
    from peft import PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict

    config = PeftConfig.from_pretrained(folder)
    if not config.is_prompt_learning:
        return PeftModel.from_pretrained(model, folder, is_trainable=True)
    # PEFT loads virtual tokens to be used alone; fresh ones, which these replace, can be trained.
    config.inference_mode = False
    if hasattr(config, "prompt_tuning_init"):
        config.prompt_tuning_init = "RANDOM"
    peft_model = get_peft_model(model, config)
    set_peft_model_state_dict(peft_model, load_file(folder / "adapter_model.safetensors"))
    return peft_model


@torch.no_grad()
def add_start(peft_model: Any, start: Mapping[Path, float]) -> None:
    """Put the weighted sum of adapters into the fresh LoRA adapter of `peft_model`.

    ``s B A = sum_i w_i s_i B_i A_i`` exactly, by laying them side by side: A = [A_1; A_2; …] and
    B = [w_1 s_1 B_1 | w_2 s_2 B_2 | …] / s. Ranks that are left over stay fresh: A random, B zero.

    Args:
        peft_model: has a LoRA adapter, of at least the sum of their ranks, on every layer they
            adapt.
        start: folders in PEFT's layout, with the weight of each.

    Raises:
        ConfigError: an adapter of other layers or sizes, or that has more than A and B.
    """
    from peft.tuners.lora import LoraLayer

    layers = {n: m for n, m in peft_model.named_modules() if isinstance(m, LoraLayer)}
    for layer in layers.values():
        layer.lora_B["default"].weight.zero_()
    used = dict.fromkeys(layers, 0)
    for folder, weight in start.items():
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        for name, pair in _read_pairs(folder).items():
            if name not in layers or set(pair) != {"A", "B"}:
                got = f"{folder}, which adapts {name.removeprefix(_PREFIX)} otherwise"
                raise _refuse(got)
            layer = layers[name]
            scale = weight * _compute_scale(config, name, len(pair["A"])) / layer.scaling["default"]
            used[name] = _lay_beside(layer, pair, at=used[name], scale=scale, folder=folder)


def _lay_beside(layer: Any, pair: dict[str, Tensor], *, at: int, scale: float, folder: Path) -> int:
    """Copy one adapter's A and B from rank `at` on; returns the rank after its last."""
    a_RI, b_OR = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    end = at + len(pair["A"])
    fits = pair["A"].shape[1] == a_RI.shape[1] and pair["B"].shape[0] == b_OR.shape[0]
    if end > len(a_RI) or not fits:
        raise _refuse(f"{folder}, whose layers have other sizes")
    a_RI[at:end] = pair["A"].to(a_RI)
    b_OR[:, at:end] = (pair["B"].to(b_OR)) * scale
    return end


def _read_pairs(folder: Path) -> dict[str, dict[str, Tensor]]:
    """The adapter's tensors by layer, as A and B; whatever else it has by its own name."""
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in load_file(folder / "adapter_model.safetensors").items():
        name, found, kind = key.partition(".lora_")
        part = kind.removesuffix(".weight") if found else key
        pairs.setdefault(name, {})[part] = tensor
    return pairs


def _compute_scale(config: dict[str, Any], name: str, rank: int) -> float:
    from peft.utils.other import get_pattern_key

    patterns = config.get("alpha_pattern") or {}
    plain = name.removeprefix(_PREFIX)
    alpha = float(patterns.get(get_pattern_key(patterns.keys(), plain), config["lora_alpha"]))
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)


def _refuse(got: str) -> ConfigError:
    return ConfigError(
        Problem(
            key="method.start_from",
            got=got,
            allowed="low-rank adapters of this base",
            do="name adapters that were tuned from this base, or change method.target_modules",
        )
    )
