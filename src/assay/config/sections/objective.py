"""What is learned from a row: one block per objective; it computes no loss."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Tag

from assay.config.sections.distil import DistilConfig
from assay.config.sections.learned import NAMED, ObjectiveSection, RowKind
from assay.config.sections.pairs import CpoConfig, DpoConfig, OrpoConfig, SimpoConfig
from assay.config.sections.reinforcement import (
    ROLLOUT_OBJECTIVES,
    GrpoConfig,
    PpoConfig,
    ReinforceConfig,
    RejectionConfig,
    RlooConfig,
)
from assay.config.setting import Section, setting
from assay.config.shorthand import expand_block

ObjectiveType = Literal[
    "sft",
    "dpo",
    "orpo",
    "simpo",
    "cpo",
    "kto",
    "reward",
    "process_reward",
    "grpo",
    "rloo",
    "reinforce",
    "ppo",
    "rejection",
    "distil",
]


class SftConfig(ObjectiveSection):
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


class KtoConfig(ObjectiveSection):
    """Learning from ratings (Ethayarajh et al. 2024): each answer is wanted or not, by itself."""

    learns_from: ClassVar[RowKind] = "rated"
    needs_reference: ClassVar[bool] = True

    type: Literal["kto"] = setting("kto", "What is learned from a row.", reason=NAMED)
    loss: Literal["kto", "apo_zero", "bco"] = setting(
        "kto",
        "kto compares an answer's reward with how far the model has moved, as prompts with other "
        "rows' answers tell by a pass of their own; apo_zero compares it with 0; bco (Jung et al. "
        "2024) with what lies midway between wanted and unwanted answers.",
        reason="KTO's own",
    )
    beta: float = setting(
        0.1,
        "How strongly the model is held to its reference: a reward is beta times the logarithm of "
        "how much more likely an answer became.",
        reason="the published value",
        gt=0,
        le=1000,
    )
    wanted_weight: float = setting(
        1.0,
        "Weight of wanted answers.",
        reason="ratings of both kinds count alike; raise it where wanted ones are few",
        gt=0,
        le=1000,
    )
    unwanted_weight: float = setting(
        1.0,
        "Weight of unwanted answers.",
        reason="ratings of both kinds count alike; raise it where unwanted ones are few",
        gt=0,
        le=1000,
    )


class RewardConfig(ObjectiveSection):
    """A reward model of preference pairs (Ouyang et al. 2022): it scores answers and gives none.

    A number in a row's column `margin` is by how much the chosen answer's reward is to be the
    greater (Touvron et al. 2023).
    """

    learns_from: ClassVar[RowKind] = "preference"
    gives_scores: ClassVar[bool] = True

    type: Literal["reward"] = setting("reward", "What is learned from a row.", reason=NAMED)
    centring: float = setting(
        0.01,
        "Weight of the square of both rewards' sum, which holds them around 0 (Eisenstein et al. "
        "2023); 0 is off.",
        reason="the published value: scores of several models and runs lie alike",
        ge=0,
        le=1000,
    )


class ProcessRewardConfig(ObjectiveSection):
    """A reward model of answers step by step (Lightman et al. 2023): is each step right?

    It is a reward model like any other, of an answer as far as it goes: what it scores the answer
    up to a step's end is the log-odds that the step is right.
    """

    learns_from: ClassVar[RowKind] = "stepwise"
    gives_scores: ClassVar[bool] = True

    type: Literal["process_reward"] = setting(
        "process_reward", "What is learned from a row.", reason=NAMED
    )


OBJECTIVES: dict[str, type[Section]] = {
    "sft": SftConfig,
    "dpo": DpoConfig,
    "orpo": OrpoConfig,
    "simpo": SimpoConfig,
    "cpo": CpoConfig,
    "kto": KtoConfig,
    "reward": RewardConfig,
    "process_reward": ProcessRewardConfig,
    **ROLLOUT_OBJECTIVES,
    "distil": DistilConfig,
}


def _get_tag(value: object) -> str:
    kind = value.get("type", "sft") if isinstance(value, dict) else getattr(value, "type", "sft")
    return str(kind)


AnyObjective = (
    Annotated[SftConfig, Tag("sft")]
    | Annotated[DpoConfig, Tag("dpo")]
    | Annotated[OrpoConfig, Tag("orpo")]
    | Annotated[SimpoConfig, Tag("simpo")]
    | Annotated[CpoConfig, Tag("cpo")]
    | Annotated[KtoConfig, Tag("kto")]
    | Annotated[RewardConfig, Tag("reward")]
    | Annotated[ProcessRewardConfig, Tag("process_reward")]
    | Annotated[GrpoConfig, Tag("grpo")]
    | Annotated[RlooConfig, Tag("rloo")]
    | Annotated[ReinforceConfig, Tag("reinforce")]
    | Annotated[PpoConfig, Tag("ppo")]
    | Annotated[RejectionConfig, Tag("rejection")]
    | Annotated[DistilConfig, Tag("distil")]
)
Objective = Annotated[
    Annotated[AnyObjective, Discriminator(_get_tag)],
    BeforeValidator(
        expand_block("objective"),
        json_schema_input_type=ObjectiveType
        | SftConfig
        | DpoConfig
        | OrpoConfig
        | SimpoConfig
        | CpoConfig
        | KtoConfig
        | RewardConfig
        | ProcessRewardConfig
        | GrpoConfig
        | RlooConfig
        | ReinforceConfig
        | PpoConfig
        | RejectionConfig
        | DistilConfig,
    ),
]
