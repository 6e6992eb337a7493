"""Runs Unsloth on a GPU workload: its patched model under the trainer that it patches, too."""

from __future__ import annotations

import gc
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.on_gpu.meter import Clock
from benchmarks.on_gpu.models import build_for, set_start
from benchmarks.on_gpu.rows import Row
from benchmarks.workloads import ALPHA, RANK, TARGETS


def run(spec: dict[str, Any], rows: list[Row], clock: Clock) -> dict[str, Any]:
    """Padding-free where Unsloth chooses so itself; full tuning in mixed precision, as all do."""
    if not find_spec("unsloth"):
        raise SystemExit("unsloth is not installed")
    import unsloth  # before all that it patches

    from benchmarks.on_gpu.trl_run import choose_settings, train

    is_full = spec["method"] == "full"
    settings = choose_settings(spec, "best")
    del settings["padding_free"], settings["use_liger_kernel"]
    model, tokenizer = unsloth.FastLanguageModel.from_pretrained(
        str(write_model(spec)),
        max_seq_length=spec["num_tokens"],
        load_in_4bit=spec["method"] == "qlora",
        full_finetuning=is_full,
        **choose_formats(spec),
    )
    if not is_full:
        checkpoints = "unsloth" if settings["gradient_checkpointing"] else False
        model = unsloth.FastLanguageModel.get_peft_model(
            model,
            r=RANK,
            lora_alpha=ALPHA,
            lora_dropout=0,
            bias="none",
            target_modules=list(TARGETS),
            use_gradient_checkpointing=checkpoints,
        )
        set_start(model)
    settings["dataset_kwargs"] = {"skip_prepare_dataset": True}
    return train(spec, rows, clock, model, tokenizer, settings)


def choose_formats(spec: dict[str, Any]) -> dict[str, Any]:
    """Weights in float32 for full tuning, computed with in bfloat16; else bfloat16.

    Its path for CPUs knows the dtype alone.
    """
    if spec["method"] != "full":
        return {"dtype": torch.bfloat16}
    if spec["device"] == "cpu":
        return {"dtype": torch.float32}
    return {"dtype": torch.bfloat16, "float32_mixed_precision": True}


def write_model(spec: dict[str, Any]) -> Path:
    """The same weights as a folder, the one form that Unsloth loads; nothing of it stays here."""
    from benchmarks.on_gpu.trl_run import load_tokenizer

    folder = Path(spec["output"]) / "model"
    plain = spec | {"method": "full" if spec["method"] == "full" else "lora"}
    build_for(plain).save_pretrained(folder)
    load_tokenizer().save_pretrained(folder)
    gc.collect()
    if spec["device"] != "cpu":
        torch.cuda.empty_cache()
    return folder
