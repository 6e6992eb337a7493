"""Runs torchtune's own single-device recipes, LoRA or full, with its chunked cross-entropy.

``padded``: to the longest of the batch. ``packed``: its packing into rows of 512 (or the longest
sequence), two rows a step where their number is even, else one, since its loader drops a remainder.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch
from meter import Meter, read_rows, read_spec
from omegaconf import OmegaConf
from safetensors.torch import load_file
from torchtune.data import padded_collate_packed, padded_collate_sft
from torchtune.datasets import PackedDataset

METERS: list[Meter] = []
ATTENTION = {"q_proj": "q_proj", "k_proj": "k_proj", "v_proj": "v_proj", "o_proj": "output_proj"}
MLP = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}


class WordTokenizer:
    """All that the recipes ask of a tokenizer whose work is already done."""

    pad_id = 0

    def __init__(self, model: str) -> None:
        self.model = model


class Rows(torch.utils.data.Dataset[dict[str, list[int]]]):
    def __init__(self, rows: list[dict[str, list[int]]]) -> None:
        self.rows = [{"tokens": row["input_ids"], "labels": row["labels"]} for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return self.rows[index]


def load_rows(tokenizer: Any, packed: bool) -> Any:
    """A torchtune data set, of rows or of packs; it is named in the configuration."""
    rows = read_rows(METERS[0].spec)
    if not packed:
        return Rows(rows)
    return PackedDataset(Rows(rows), max_seq_len=max(512, *(len(r["input_ids"]) for r in rows)))


def collate_rows(rows: Any, **options: Any) -> Any:
    labels = sum(label != -100 for row in rows for label in row["labels"])
    METERS[0].saw(sum(len(row["tokens"]) for row in rows), labels)
    return padded_collate_sft(rows, **options)


def collate_packs(packs: Any) -> Any:
    # A pack's last length is its padding, and its tokens are zeros there.
    labels = sum(int((pack["labels"] != -100).sum()) for pack in packs)
    METERS[0].saw(sum(int((pack["tokens"] != 0).sum()) for pack in packs), labels)
    return padded_collate_packed(packs)


def configure(spec: dict[str, Any]) -> dict[str, Any]:
    sizes, is_packed = spec["sizes"], spec["setting"] == "packed"
    model = {
        "_component_": "torchtune.models.llama2.llama2",
        "vocab_size": sizes["vocab_size"],
        "num_layers": sizes["num_hidden_layers"],
        "num_heads": sizes["num_attention_heads"],
        "num_kv_heads": sizes["num_key_value_heads"],
        "embed_dim": sizes["hidden_size"],
        "intermediate_dim": sizes["intermediate_size"],
        "max_seq_len": 4096,
        "norm_eps": 1e-6,
    }
    if spec["method"] != "full":
        model |= {
            "_component_": "torchtune.models.llama2.lora_llama2",
            "lora_attn_modules": list(ATTENTION.values()),
            "apply_lora_to_mlp": True,
            "lora_rank": spec["rank"],
            "lora_alpha": spec["alpha"],
            "quantize_base": spec["method"] == "qlora",
        }
    return {
        "model": model,
        "tokenizer": {"_component_": "torchtune_run.WordTokenizer", "model": spec["model"]},
        "checkpointer": {
            "_component_": "torchtune.training.FullModelHFCheckpointer",
            "checkpoint_dir": spec["model"],
            "checkpoint_files": ["model.safetensors"],
            "model_type": "LLAMA2",
            "output_dir": spec["output"],
            "recipe_checkpoint": None,
        },
        "dataset": {"_component_": "torchtune_run.load_rows", "packed": is_packed},
        "collate_fn": "torchtune_run.collate_rows",
        "optimizer": {
            "_component_": "torch.optim.AdamW",
            "lr": spec["learning_rate"],
            "weight_decay": 0.0,
            "fused": True,
        },
        "lr_scheduler": {"_component_": "torchtune_run.constant_schedule"},
        "loss": {"_component_": "torchtune.modules.loss.CEWithChunkedOutputLoss"},
        "metric_logger": {
            "_component_": "torchtune.training.metric_logging.DiskLogger",
            "log_dir": spec["output"],
        },
        "dtype": spec["precision"],
        "device": "cpu",
        "batch_size": _choose_batch_size(spec) if is_packed else spec["batch_size"],
        "gradient_accumulation_steps": 1,
        "clip_grad_norm": spec["max_grad_norm"],
        "epochs": 1,
        "max_steps_per_epoch": None,
        "shuffle": False,
        "seed": 0,
        "compile": False,
        "resume_from_checkpoint": False,
        "optimizer_in_bwd": False,
        "enable_activation_checkpointing": False,
        "enable_activation_offloading": False,
        "output_dir": spec["output"],
        "log_every_n_steps": 1,
    }


def constant_schedule(optimizer: Any, **unused: Any) -> Any:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)


def _choose_batch_size(spec: dict[str, Any]) -> int:
    packs = len(load_rows(None, packed=True))
    return 2 if spec["batch_size"] > 2 and packs % 2 == 0 else 1


@torch.no_grad()
def load_start(spec: dict[str, Any], model: Any) -> None:
    """Copy the start that every trainer begins from; B is zero there and in torchtune alike."""
    start = load_file(Path(spec["adapter"]) / "adapter_model.safetensors")
    parameters = dict(model.named_parameters())
    for layer in range(spec["sizes"]["num_hidden_layers"]):
        for part, ours, names in (("self_attn", "attn", ATTENTION), ("mlp", "mlp", MLP)):
            for theirs, name in names.items():
                key = f"base_model.model.model.layers.{layer}.{part}.{theirs}.lora_A.weight"
                parameters[f"layers.{layer}.{ours}.{name}.lora_a.weight"].copy_(start[key])


def load_recipe(name: str) -> Any:
    """A recipe's module by its file: the folder of recipes refuses to be imported as a package."""
    folder = Path(str(find_spec("torchtune").origin)).parents[1] / "recipes"
    spec = spec_from_file_location(name, folder / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    spec = read_spec()
    # The configuration names parts of this file, which is not `__main__` to torchtune.
    sys.modules["torchtune_run"] = sys.modules["__main__"]
    kind, name = ("full", "Full") if spec["method"] == "full" else ("lora", "LoRA")
    module = load_recipe(f"{kind}_finetune_single_device")
    recipe_class = getattr(module, f"{name}FinetuneRecipeSingleDevice")
    meter = Meter(spec)
    METERS.append(meter)
    module.padded_collate_packed = collate_packs
    config = OmegaConf.create(configure(spec))
    recipe = recipe_class(config)
    recipe.setup(config)
    if spec["method"] != "full":
        load_start(spec, recipe._model)
    recipe.save_checkpoint = lambda epoch: None
    torch.set_num_threads(1)
    recipe.train()
    # It calls backward on the sum over labels, and divides gradients afterwards.
    labels = [labels for _, labels in meter.batches]
    meter.losses = [total / count for total, count in zip(meter.losses, labels, strict=False)]
    meter.print_result("torchtune", "torchao")


if __name__ == "__main__":
    main()
