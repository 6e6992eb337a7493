"""How long, how fast and in what portions weights are trained; it runs nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from assay.config.setting import Section, setting

_Decay = Annotated[float, Field(ge=0, lt=1)]


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
    schedule: Literal["cosine", "linear", "constant"] = setting(
        "cosine",
        "Course of the learning rate after warm-up.",
        reason="ends near zero, so the last steps settle",
    )
    warmup_ratio: float = setting(
        0.05,
        "Share of the steps over which the learning rate rises to its peak.",
        unit="ratio",
        reason="keeps the first steps, whose moments are not yet known, small",
        ge=0,
        le=1,
    )
    weight_decay: float = setting(
        0.0,
        "Decoupled weight decay of matrices (AdamW).",
        reason="few steps: decay would only pull back what is learned",
        ge=0,
        le=1,
    )
    betas: list[_Decay] = setting(
        None,
        "AdamW's decay rates of the first and second moment.",
        reason="AdamW's published values",
        factory=lambda: [0.9, 0.999],
        min_length=2,
        max_length=2,
    )
    epsilon: float = setting(
        1e-8,
        "AdamW's term against division by zero.",
        reason="AdamW's published value",
        gt=0,
        le=0.1,
    )
    max_grad_norm: float = setting(
        1.0,
        "Gradients longer than this are scaled down to it.",
        reason="one odd batch cannot throw the weights away",
        gt=0,
    )
    precision: Literal["auto", "fp32", "bf16"] = setting(
        "auto",
        "Number format of the computation.",
        reason="bf16 on a GPU that has it, else fp32",
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
    checkpoint_every_s: float = setting(
        120.0,
        "Time between checkpoints from which `--resume` continues.",
        unit="seconds",
        reason="an interruption costs two minutes at most",
        gt=0,
    )
    checkpoint_every_steps: int | None = setting(
        None,
        "Steps between checkpoints, in addition to those by time.",
        unit="steps",
        reason="by time alone",
        ge=1,
    )
    keep_checkpoints: int = setting(
        2,
        "How many of the newest checkpoints stay on disk, beside the best.",
        unit="checkpoints",
        reason="one may be damaged by the crash that makes it needed",
        ge=1,
        le=1000,
    )

    @property
    def beta1(self) -> float:
        """Decay rate of the first moment."""
        return self.betas[0]

    @property
    def beta2(self) -> float:
        """Decay rate of the second moment."""
        return self.betas[1]
