"""Runs LLaMA-Factory's own `run_exp` of DPO with LoRA on the pairs of `benchmarks.preference`.

They stand as words in a file, which its tokenizer turns into our ids. All is at its defaults but
for batch, rate and logging; its reference is the model without the adapter, in every step.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

# It imports torchaudio, which has no build for PyTorch's CPU package, and needs nothing of it here.
sys.modules["torchaudio"] = ModuleType("torchaudio")
sys.modules["torchaudio"].__spec__ = ModuleSpec("torchaudio", None)

import torch  # noqa: E402
from benchmarks.preference import (  # noqa: E402
    BATCH_SIZE,
    SHAPE,
    draw_pairs,
    make_model,
    start,
    tell,
)
from benchmarks.workloads import write_tokenizer  # noqa: E402
from llamafactory.train.tuner import run_exp  # noqa: E402
from transformers import TrainerCallback  # noqa: E402


def write_inputs(folder: Path, count: int) -> None:
    """The model, and its pairs as rows of words."""
    model = folder / "model"
    make_model().save_pretrained(model)
    write_tokenizer(SHAPE["vocab_size"], model)
    info = {
        "pairs": {
            "file_name": "pairs.json",
            "ranking": True,
            "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
        }
    }
    # Random ids start at 3, where the words of the tokenizer start at 4.
    rows = [
        {
            name: " ".join(f"w{max(4, token)}" for token in ids)
            for name, ids in zip(("prompt", "chosen", "rejected"), pair, strict=True)
        }
        for pair in draw_pairs(count)
    ]
    (folder / "pairs.json").write_text(json.dumps(rows), "utf-8")
    (folder / "dataset_info.json").write_text(json.dumps(info), "utf-8")


class Clock(TrainerCallback):
    """Starts as the others do, when the trainer is built, and tells when it ends."""

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        torch.set_num_threads(1)
        start()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        tell("dpo", "llamafactory", int(sys.argv[1]), losses)


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    write_inputs(folder, int(sys.argv[1]))
    settings = {
        "stage": "dpo",
        "do_train": True,
        "model_name_or_path": str(folder / "model"),
        "finetuning_type": "lora",
        "lora_rank": 16,
        "lora_alpha": 32,
        "lora_target": "all",
        "pref_beta": 0.1,
        "pref_loss": "sigmoid",
        "dataset": "pairs",
        "dataset_dir": str(folder),
        "output_dir": str(folder / "out"),
        "template": "empty",
        "cutoff_len": 1024,
        "disable_shuffling": True,
        "per_device_train_batch_size": BATCH_SIZE,
        "gradient_accumulation_steps": 1,
        "num_train_epochs": 1,
        "learning_rate": 1e-4,
        "disable_gradient_checkpointing": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
    }
    run_exp(settings, callbacks=[Clock()])


if __name__ == "__main__":
    main()
