"""How long, how fast and in what portions weights are trained; it runs nothing."""

from __future__ import annotations

from typing import Literal

from assay.config.setting import Section, setting

OptimizerName = Literal[
    "adamw", "adamw_8bit", "paged_adamw_8bit", "adafactor", "lion", "muon", "schedule_free"
]
Technique = Literal[
    "checkpoint_layers",
    "offload_activations",
    "step_per_layer",
    "compile",
    "reuse_in_memory",
    "reuse_on_disk",
]


class CheckpointsConfig(Section):
    """From what `--resume` continues."""

    every_s: float = setting(
        120.0,
        "Time between checkpoints from which `--resume` continues.",
        unit="seconds",
        reason="an interruption costs two minutes at most",
        gt=0,
    )
    keep: int = setting(
        2,
        "How many of the newest checkpoints stay on disk, beside the best.",
        unit="checkpoints",
        reason="one may be damaged by the crash that makes it needed",
        ge=1,
        le=1000,
    )


class TrainConfig(Section):
    """The optimizer's steps: number, size, rate, precision, and when to look and to save."""

    epochs: float | None = setting(
        None,
        "Passes over the training rows; not together with train.max_steps.",
        unit="epochs",
        reason="found by rule",
        gt=0,
        le=1000,
    )
    max_steps: int | None = setting(
        None,
        "Optimizer steps; not together with train.epochs.",
        unit="steps",
        reason="train.epochs decides",
        ge=1,
    )
    batch_size: int = setting(
        16,
        "Sequences in one optimizer step, over all micro-batches and ranks.",
        unit="sequences",
        reason="steady gradients, and enough steps on a few hundred rows",
        ge=1,
        le=1_000_000,
    )
    micro_batch_tokens: int = setting(
        4096,
        "Most tokens sent through the model at once on one device; memory grows with it, the "
        "result does not change.",
        unit="tokens",
        reason="fits a small GPU or a laptop's memory",
        ge=16,
        le=16_777_216,
    )
    learning_rate: float | None = setting(
        None,
        "Peak learning rate.",
        reason="found by rule from the method and the base",
        gt=0,
        le=1,
    )
    schedule: Literal["cosine", "linear", "constant", "wsd"] = setting(
        "cosine",
        "Course of the learning rate after warm-up; wsd stays at the peak and falls linearly over "
        "the last two fifths.",
        reason="ends near zero, so the last steps settle",
    )
    warmup_ratio: float | None = setting(
        None,
        "Share of the steps over which the learning rate rises to its peak; not together with "
        "train.warmup_steps.",
        unit="ratio",
        reason="found by rule",
        ge=0,
        le=1,
    )
    warmup_steps: int | None = setting(
        None,
        "Steps over which the learning rate rises to its peak; not together with "
        "train.warmup_ratio.",
        unit="steps",
        reason="train.warmup_ratio decides",
        ge=0,
    )
    optimizer: OptimizerName = setting(
        "adamw",
        "How gradients become steps.",
        reason="learns well at published learning rates",
    )
    optimizer_settings: dict[str, bool | float | list[float]] = setting(
        None,
        "What the optimizer has beside its learning rate.",
        allowed="a map of the optimizer's settings to their values",
        reason="found by rule from the optimizer",
        factory=dict,
    )
    max_grad_norm: float | None = setting(
        1.0,
        "Gradients longer than this are scaled down to it; null scales none.",
        reason="one odd batch cannot throw the weights away",
        gt=0,
    )
    precision: Literal["auto", "fp32", "bf16", "mixed"] = setting(
        "auto",
        "Number formats. fp32: of weights and computation; bf16: the same, but adapters and their "
        "optimizer stay in fp32; mixed: weights in fp32, computation in bf16.",
        reason="fp32 on a CPU; on a GPU bf16 for adapters, mixed where the base itself is trained",
    )
    techniques: Literal["auto"] | list[Technique] = setting(
        "auto",
        "What is done to save memory or time; the result does not change. auto: checkpoint_layers "
        "and, on a GPU, offload_activations, where the longest rows would not fit without.",
        reason="what the machine and the method ask for",
    )
    eval_every_steps: int | None = setting(
        None,
        "Steps between measurements of the validation loss.",
        unit="steps",
        reason="once an epoch",
        ge=1,
    )
    patience: int | None = setting(
        None,
        "Stop after this many validation measurements without a better loss.",
        unit="measurements",
        reason="all epochs run; the best checkpoint is kept either way",
        ge=1,
    )
    checkpoints: CheckpointsConfig = setting(
        None, "When state is saved, and how much of it stays.", factory=CheckpointsConfig
    )
