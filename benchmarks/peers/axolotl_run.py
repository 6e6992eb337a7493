"""Runs Axolotl's own `load_cfg`, `load_datasets` and `train` on tokens that are already there.

``padded``: to the longest of the batch. ``packed``: its sample packing into rows of 512 (or the
longest sequence), two rows a step, the samples isolated by their positions. No checkpointing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

import torch
from axolotl.cli.config import load_cfg
from axolotl.common.datasets import load_datasets
from axolotl.core.builders.causal import HFCausalTrainerBuilder
from axolotl.train import train
from meter import Meter, read_rows, read_spec


def write_config(spec: dict[str, Any]) -> Path:
    """Rows and configuration as files, as Axolotl's command would read them."""
    folder, rows = Path(spec["output"]), read_rows(spec)
    for row in rows:
        row["attention_mask"] = [1] * len(row["input_ids"])
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    is_packed, longest = spec["setting"] == "packed", max(len(r["input_ids"]) for r in rows)
    size = (2 if longest <= 512 else 1) if is_packed else spec["batch_size"]
    config: dict[str, Any] = {
        "base_model": spec["model"],
        "datasets": [{"path": str(folder / "rows.jsonl"), "ds_type": "json", "type": ""}],
        "dataset_prepared_path": str(folder / "prepared"),
        "dataset_num_proc": 1,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "val_set_size": 0,
        "output_dir": str(folder / "out"),
        "sequence_len": max(512, longest),
        "sample_packing": is_packed,
        "pad_to_sequence_len": False,
        "curriculum_sampling": True,
        "micro_batch_size": size,
        "gradient_accumulation_steps": 1,
        "num_epochs": 1,
        "optimizer": "adamw_torch_fused",
        "learning_rate": spec["learning_rate"],
        "lr_scheduler": "constant",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": spec["max_grad_norm"],
        "bf16": spec["precision"] == "bf16",
        "fp16": False,
        "tf32": False,
        "gradient_checkpointing": False,
        "attn_implementation": "sdpa",
        "flash_attention": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "seed": 0,
        "use_cpu": True,
    }
    if spec["method"] != "full":
        config |= {
            "adapter": "qlora" if spec["method"] == "qlora" else "lora",
            "load_in_4bit": spec["method"] == "qlora",
            "lora_model_dir": spec["adapter"],
            "lora_r": spec["rank"],
            "lora_alpha": spec["alpha"],
            "lora_dropout": 0.0,
            "lora_target_modules": spec["target_modules"],
            # Its fused kernels are of Triton and need a GPU.
            **{f"lora_{part}_kernel": False for part in ("mlp", "qkv", "o")},
        }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config), "utf-8")
    return path


def main() -> None:
    spec = read_spec()
    path = write_config(spec)
    meter = Meter(spec)
    build = HFCausalTrainerBuilder.build_collator
    HFCausalTrainerBuilder.build_collator = lambda *args, **options: meter.watch_collator(
        build(*args, **options)
    )
    config = load_cfg(str(path))
    data = load_datasets(cfg=config)
    torch.set_num_threads(1)
    train(cfg=config, dataset_meta=data)
    meter.print_result("axolotl", "transformers", "peft", "trl", "accelerate")


if __name__ == "__main__":
    main()
