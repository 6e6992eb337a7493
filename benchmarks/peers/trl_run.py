"""Runs TRL's `SFTTrainer` on tokens that are already there, at one of several settings.

``default``: what TRL does unless told otherwise: padded, activation checkpointing, and where the
workload is bf16, float32 weights under autocast. ``padded``: weights in the workload's precision,
no checkpointing. ``padding-free``: each batch as one row. ``packed``: its bin packing into rows of
512 (or of the longest sequence), two rows a step. ``…-autocast``: the same under autocast.
``from-text``: padded, beginning with a file of prompts and completions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from benchmarks.workloads import write_text
from datasets import Dataset
from meter import Meter, read_rows, read_spec
from transformers import AutoTokenizer
from transformers_peft_run import load_subject
from trl import SFTConfig, SFTTrainer


def settings(spec: dict[str, Any]) -> dict[str, Any]:
    common = {
        "output_dir": spec["output"],
        "max_steps": spec["num_steps"],
        "per_device_train_batch_size": spec["batch_size"],
        "learning_rate": spec["learning_rate"],
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "max_grad_norm": spec["max_grad_norm"],
        "max_length": None,
        "train_sampling_strategy": "sequential",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "seed": 0,
    }
    setting = spec["setting"]
    common["bf16"] = is_autocast(spec)
    if setting == "default":
        return common
    common["gradient_checkpointing"] = False
    if setting.startswith("padding-free"):
        common["padding_free"] = True
    if setting.startswith("packed"):
        longest = max(len(row["input_ids"]) for row in read_rows(spec))
        common |= {"packing": True, "max_length": max(512, longest)}
        common["per_device_train_batch_size"] = 2 if longest <= 512 else 1
        del common["max_steps"]
        common["num_train_epochs"] = 1
    return common


def is_autocast(spec: dict[str, Any]) -> bool:
    setting = spec["setting"]
    return spec["precision"] == "bf16" and (setting == "default" or "autocast" in setting)


def load_rows(spec: dict[str, Any]) -> Any:
    if spec["setting"] != "from-text":
        return Dataset.from_list(read_rows(spec))
    return Dataset.from_json(str(Path(spec["output"]) / "text.jsonl"))


def main() -> None:
    spec = read_spec()
    if spec["setting"] == "from-text":
        write_text(read_rows(spec), Path(spec["output"]) / "text.jsonl", "prompt", "completion")
    meter = Meter(spec)
    arguments = SFTConfig(**settings(spec))
    weights = {"precision": "fp32"} if is_autocast(spec) else {}
    trainer = SFTTrainer(
        load_subject(spec | weights),
        args=arguments,
        train_dataset=load_rows(spec),
        processing_class=AutoTokenizer.from_pretrained(spec["model"]),
    )
    trainer.data_collator = meter.watch_collator(trainer.data_collator)
    torch.set_num_threads(1)
    trainer.train()
    meter.print_result("trl", "transformers", "peft", "accelerate", "bitsandbytes")


if __name__ == "__main__":
    main()
