"""Learning from the probabilities of a teacher: what it is, and how both are compared."""

from __future__ import annotations

from typing import Literal

from assay.config.sections.learned import NAMED, ObjectiveSection
from assay.config.setting import setting


class DistilConfig(ObjectiveSection):
    """Distillation: the model's probabilities of every next token come nearer to a teacher's."""

    type: Literal["distil"] = setting("distil", "What is learned from a row.", reason=NAMED)
    teacher: str | None = setting(
        None,
        "The teacher's model: `tiny`, a folder in Transformers layout, or a Hub id. It must have "
        "the base's tokenizer; one that has another teaches by text (`assay data distil`).",
        reason="the base, with teacher_adapter or teacher_prompt",
        min_length=1,
    )
    teacher_adapter: str | None = setting(
        None,
        "An adapter on the teacher's model: a folder in PEFT's layout, as a run's adapter/.",
        reason="the teacher's model as it is",
        min_length=1,
    )
    teacher_prompt: str | None = setting(
        None,
        "A system prompt that the teacher alone sees: the model learns to do without it.",
        reason="the teacher sees what the model sees",
        min_length=1,
    )
    beta: float = setting(
        0.0,
        "Which divergence: 0 is forward (the model covers all that the teacher holds possible), 1 "
        "reverse (it leaves out what the teacher holds impossible), between them the generalised "
        "Jensen-Shannon divergence (Agarwal et al. 2024).",
        unit="ratio",
        reason="forward: the steadiest where answers come from the data",
        ge=0,
        le=1,
    )
    temperature: float = setting(
        1.0,
        "What the logits of both are divided by before they are compared; more shows more of "
        "what the teacher holds unlikely.",
        reason="the probabilities that answers are sampled by",
        gt=0,
        le=100,
    )
    on_policy: float = setting(
        0.0,
        "Share of each step's rows whose last answer the model writes anew before it is compared, "
        "so that it learns on what it says itself (Agarwal et al. 2024).",
        unit="ratio",
        reason="the rows' own answers, without sampling while training",
        ge=0,
        le=1,
    )
    max_new_tokens: int = setting(
        128,
        "Longest answer that the model writes with on_policy.",
        unit="tokens",
        reason="enough for short answers",
        ge=1,
        le=1_000_000,
    )
    sampling_temperature: float = setting(
        1.0,
        "Temperature at which the model writes with on_policy.",
        reason="the model itself",
        gt=0,
        le=10,
    )
    sft_weight: float = setting(
        0.0,
        "Weight of the rows' own answers, by cross-entropy, beside the divergence.",
        reason="the teacher alone",
        ge=0,
        le=1000,
    )
