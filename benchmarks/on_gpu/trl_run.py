"""Runs TRL's trainer on a GPU workload: as it comes, and at its best, without and with Liger."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.on_gpu.meter import WARM_UP_STEPS, Clock
from benchmarks.on_gpu.models import LEARNING_RATE, build_with_peft
from benchmarks.on_gpu.rows import Row

LONGEST_KEPT = 4096
"""Tokens of a step whose activations an 80 GB device holds without checkpointing (8B)."""


def run(spec: dict[str, Any], rows: list[Row], clock: Clock) -> dict[str, Any]:
    """``default`` pads and checkpoints; ``best`` is padding-free, ``best-liger`` with its kernels.

    Without flash-attn, padding-free rows are kept apart by a mask of all positions by all.
    """
    setting = spec["trainer"].partition(":")[2]
    if setting == "best-liger" and not find_spec("liger_kernel"):
        raise SystemExit("liger-kernel is not installed")
    model = build_with_peft(spec)
    if setting != "default" and spec["device"] != "cpu" and find_spec("flash_attn"):
        model.set_attn_implementation("flash_attention_2")
    return train(spec, rows, clock, model, load_tokenizer(), choose_settings(spec, setting))


def train(
    spec: dict[str, Any],
    rows: list[Row],
    clock: Clock,
    model: Any,
    tokenizer: Any,
    settings: dict[str, Any],
) -> dict[str, Any]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    trainer = SFTTrainer(
        model,
        args=SFTConfig(**settings),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[_build_callback(clock)],
    )
    clock.kept.append(trainer)
    trainer.train()
    checkpoints = settings.get("gradient_checkpointing", trainer.args.gradient_checkpointing)
    return {
        "attention": model.config._attn_implementation,
        "techniques": ["checkpoint_layers"] if checkpoints else [],
    }


def choose_settings(spec: dict[str, Any], setting: str) -> dict[str, Any]:
    """`SFTConfig`'s arguments: the same work for every setting."""
    options: dict[str, Any] = {
        "output_dir": spec["output"],
        "max_steps": WARM_UP_STEPS + spec["num_steps"],
        "per_device_train_batch_size": spec["num_sequences"],
        "gradient_accumulation_steps": 1,
        "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "max_length": None,
        "train_sampling_strategy": "sequential",
        "optim": "adamw_torch_fused",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "bf16": True,
        "use_cpu": spec["device"] == "cpu",
    }
    if setting != "default":
        is_large = spec["num_tokens"] > LONGEST_KEPT or spec["shape"] == "70b"
        options |= {"padding_free": True, "gradient_checkpointing": is_large}
        options["use_liger_kernel"] = setting == "best-liger"
    return options


def load_tokenizer() -> Any:
    """Trainers want one, though every row is tokens already: that of the embedded base."""
    from transformers import AutoTokenizer

    # By its place, since a peer's environment need not have what Assay imports.
    return AutoTokenizer.from_pretrained(Path(__file__).parents[2] / "src/assay/models/tiny")


def _build_callback(clock: Clock) -> Any:
    from transformers import TrainerCallback

    class Ticks(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.start()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.tick(float("nan"))

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kw: Any) -> None:
            if "loss" in (logs or {}):
                clock.losses[state.global_step - 1] = float(logs["loss"])

    return Ticks()
