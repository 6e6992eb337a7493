"""What is learned from a row: one block per objective; it computes no loss."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from assay.config.setting import Section, setting
from assay.config.shorthand import expand_block


class SftConfig(Section):
    """Supervised fine-tuning: the answers in the data become more likely."""

    type: Literal["sft"] = setting(
        "sft", "What is learned from a row.", reason="the data holds the answers wanted"
    )
    label_smoothing: float = setting(
        0.0,
        "Share of each target's probability spread over the whole vocabulary.",
        unit="ratio",
        reason="the answers in the data are taken as right",
        ge=0,
        lt=1,
    )
    neftune_alpha: float = setting(
        0.0,
        "Size of uniform noise on the embeddings while training (Jain et al. 2023); 0 is off.",
        reason="off: it helps free-form chat, and blurs exact answers",
        ge=0,
        le=100,
    )


OBJECTIVES: dict[str, type[Section]] = {"sft": SftConfig}

Objective = Annotated[
    SftConfig,
    BeforeValidator(expand_block("objective"), json_schema_input_type=Literal["sft"] | SftConfig),
]
