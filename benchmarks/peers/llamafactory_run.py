"""Runs LLaMA-Factory's own `run_exp` on the chats as text, which its tokenizer turns into our ids.

``padded``, ``from-text``: to the longest of the batch. ``neat-packed``: its packing with isolated
attention, rows of 512 (or the longest sequence), two rows a step. Checkpointing is off, which is
faster; where the workload is bf16 it computes under autocast, since it refuses bf16 weights on a
CPU.
"""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from meter import Meter, read_rows, read_spec

# It imports torchaudio, which has no build for PyTorch's CPU package, and needs nothing of it here.
sys.modules["torchaudio"] = ModuleType("torchaudio")
sys.modules["torchaudio"].__spec__ = ModuleSpec("torchaudio", None)

from benchmarks.workloads import write_text  # noqa: E402
from llamafactory.train.sft import workflow  # noqa: E402
from llamafactory.train.tuner import run_exp  # noqa: E402


def write_data(spec: dict[str, Any]) -> int:
    """The rows as prompt and answer in words; returns the length of the longest in tokens."""
    rows, folder = read_rows(spec), Path(spec["output"])
    write_text(rows, folder / "rows.jsonl", "instruction", "output")
    info = {"rows": {"file_name": "rows.jsonl", "columns": {"prompt": "instruction"}}}
    info["rows"]["columns"]["response"] = "output"
    (folder / "dataset_info.json").write_text(json.dumps(info), "utf-8")
    return max(len(row["input_ids"]) for row in rows)


def settings(spec: dict[str, Any], longest: int) -> dict[str, Any]:
    packed = spec["setting"] == "neat-packed"
    common = {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": spec["model"],
        "finetuning_type": "full" if spec["method"] == "full" else "lora",
        "dataset": "rows",
        "dataset_dir": spec["output"],
        "output_dir": str(Path(spec["output"]) / "out"),
        "template": "empty",
        "cutoff_len": max(512, longest) if packed else longest + 1,
        "disable_shuffling": True,
        "neat_packing": packed,
        "per_device_train_batch_size": spec["batch_size"],
        "gradient_accumulation_steps": 1,
        "max_steps": spec["num_steps"] if spec["num_rows"] else -1,
        "num_train_epochs": 1,
        "learning_rate": spec["learning_rate"],
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "max_grad_norm": spec["max_grad_norm"],
        "disable_gradient_checkpointing": True,
        "bf16": spec["precision"] == "bf16",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "seed": 0,
    }
    if packed:
        common["per_device_train_batch_size"] = 2 if longest <= 512 else 1
    if spec["method"] != "full":
        common |= {"adapter_name_or_path": spec["adapter"], "create_new_adapter": False}
    if spec["method"] == "qlora":
        common |= {"quantization_bit": 4, "quantization_type": "nf4", "double_quantization": True}
    return common


def main() -> None:
    spec = read_spec()
    longest = write_data(spec)
    meter = Meter(spec)
    collator = workflow.SFTDataCollatorWith4DAttentionMask
    workflow.SFTDataCollatorWith4DAttentionMask = lambda **options: meter.watch_collator(
        collator(**options)
    )
    run_exp(settings(spec, longest))
    meter.print_result("llamafactory", "transformers", "peft", "accelerate", "bitsandbytes")


if __name__ == "__main__":
    main()
