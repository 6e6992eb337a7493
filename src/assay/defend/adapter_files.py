"""A saved LoRA adapter as plain tensors, to be changed after tuning and saved as PEFT reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from assay.errors import CheckpointError, ConfigError, Problem

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
A, B = ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True)
class SavedAdapter:
    """The files of one adapter: PEFT's configuration, tensors by PEFT's names, and the folder."""

    folder: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def layers(self) -> list[str]:
        """The names of the adapted layers, as PEFT begins those of their tensors."""
        return [name.removesuffix(B) for name in self.tensors if name.endswith(B)]

    def with_tensors(self, changed: Mapping[str, Tensor]) -> SavedAdapter:
        """A copy with some tensors replaced."""
        return replace(self, tensors={**self.tensors, **changed})


def read_adapter(folder: Path) -> SavedAdapter:
    """The adapter of `folder`, whose update of a weight must be its scale times B·A.

    Raises:
        CheckpointError: the files cannot be read.
        ConfigError: it is of another kind (DoRA, IA3, prompts), or trained more than B and A.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: no adapter that can be read ({error})") from error
    adapter = SavedAdapter(folder, config, tensors)
    more = _find_more(adapter)
    if more:
        raise ConfigError(
            Problem(
                key="method.type",
                got=f"an adapter with {', '.join(more)}",
                allowed="LoRA whose update is its scale times B·A (lora, rslora, lora_plus, qlora)",
                do="tune with one of these, or leave the adapter as it is",
                file=str(folder),
            )
        )
    return adapter


def save_changed(adapter: SavedAdapter, folder: Path) -> None:
    """Write `adapter` into the new `folder`, with the other files of its own folder beside it.

    Raises:
        CheckpointError: `folder` is there already.
    """
    from safetensors.torch import save_file

    try:
        shutil.copytree(adapter.folder, folder)
    except FileExistsError as error:
        raise CheckpointError(f"{folder}: is there already; name a new folder") from error
    text = json.dumps(adapter.config, indent=2, sort_keys=True)
    (folder / CONFIG).write_text(f"{text}\n", encoding="utf-8")
    whole = {name: tensor.contiguous() for name, tensor in adapter.tensors.items()}
    save_file(whole, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)


def _find_more(adapter: SavedAdapter) -> list[str]:
    """What of it is not scale times B·A."""
    config = adapter.config
    found = [] if config.get("peft_type") == "LORA" else [f"peft_type {config.get('peft_type')}"]
    found += [name for name in ("use_dora", "modules_to_save") if config.get(name)]
    if config.get("trainable_token_indices"):
        found.append("rows of new tokens")
    odd = [name for name in adapter.tensors if not name.endswith((A, B))]
    return found + ([f"a tensor {odd[0]}"] if odd and not found else [])
