"""Objectives that learn from what the model itself writes and a grader judges; no loss is here."""

from __future__ import annotations

from typing import Literal

from assay.config.sections.learned import NAMED
from assay.config.sections.rollouts import (
    BETA,
    ESTIMATOR,
    KL_IN,
    KlEstimator,
    PolicySection,
    RolloutSection,
)
from assay.config.setting import setting

GrpoVariant = Literal["grpo", "dr_grpo", "dapo", "gspo", "cispo"]
_WHAT = "What is learned from a row."


class GrpoConfig(PolicySection):
    """Group relative policy optimisation (Shao et al. 2024) and its kin."""

    type: Literal["grpo"] = setting("grpo", _WHAT, reason=NAMED)
    variant: GrpoVariant = setting(
        "grpo",
        "grpo, dr_grpo (no division by length and deviation), dapo (clip-higher, mean over tokens),"
        " gspo (ratios of completions) or cispo (clipped weights, no token dropped): "
        "docs/methods.md.",
        reason="the published one",
    )


class RlooConfig(PolicySection):
    """REINFORCE leave-one-out (Ahmadian et al. 2024): each completion beside the others."""

    type: Literal["rloo"] = setting("rloo", _WHAT, reason=NAMED)
    beta: float = setting(0.05, BETA, reason="the published value", ge=0, le=1000)
    kl_in: Literal["loss", "reward"] = setting("reward", KL_IN, reason="as it is published")
    kl_estimator: KlEstimator = setting("k1", ESTIMATOR, reason="as it is published")


class ReinforceConfig(PolicySection):
    """REINFORCE++ (Hu 2025): returns of tokens, normalised over the whole batch."""

    type: Literal["reinforce"] = setting("reinforce", _WHAT, reason=NAMED)
    baseline: Literal["batch", "group"] = setting(
        "batch",
        "What is taken from a return first: nothing but the batch's mean, or the mean reward of "
        "the prompt's completions (REINFORCE++-baseline).",
        reason="as it is published",
    )
    beta: float = setting(0.01, BETA, reason="the published value", ge=0, le=1000)
    kl_in: Literal["loss", "reward"] = setting("reward", KL_IN, reason="as it is published")
    kl_estimator: KlEstimator = setting("k1", ESTIMATOR, reason="as it is published")


class PpoConfig(PolicySection):
    """Proximal policy optimisation (Schulman et al. 2017), as RLHF has it (Ziegler et al. 2019).

    A value head beside the policy says what is expected of a completion before each token; it is
    trained with the policy, kept in checkpoints, and no part of what is saved.
    """

    type: Literal["ppo"] = setting("ppo", _WHAT, reason=NAMED)
    group_size: int = setting(
        4,
        "Completions that are sampled of each prompt.",
        reason="they share the prompt's pass; the value head alone says what is expected",
        ge=1,
        le=1024,
    )
    beta: float = setting(0.05, BETA, reason="the usual value of RLHF", ge=0, le=1000)
    kl_in: Literal["loss", "reward"] = setting("reward", KL_IN, reason="as it is published")
    kl_estimator: KlEstimator = setting("k1", ESTIMATOR, reason="as it is published")
    kl_target: float | None = setting(
        None,
        "Divergence of a completion that beta is led to (Ziegler et al. 2019): it grows while the "
        "model is further away, and falls while it is nearer.",
        unit="nats",
        reason="beta stays as it is",
        gt=0,
        le=10_000,
    )
    kl_horizon: int = setting(
        10_000,
        "Completions after which beta has followed an error in full; read with kl_target.",
        reason="the published value",
        ge=1,
        le=1_000_000_000,
    )
    updates: int = setting(
        4,
        "Optimizer steps on the completions of one rollout before the next is sampled.",
        unit="steps",
        reason="the usual number of passes over a rollout",
        ge=1,
        le=64,
    )
    gamma: float = setting(
        1.0,
        "Discount of a token's reward for each token before it.",
        unit="ratio",
        reason="off: the reward of a completion counts in full for all of it",
        gt=0,
        le=1,
    )
    lam: float = setting(
        0.95,
        "Generalised advantage estimation (Schulman et al. 2015): 1 trusts rewards alone, 0 the "
        "value of the next token.",
        unit="ratio",
        reason="the published value",
        ge=0,
        le=1,
    )
    value_weight: float = setting(
        0.1,
        "Weight of the value head's loss beside the policy's.",
        reason="the usual value where both share their layers",
        gt=0,
        le=1000,
    )
    value_clip: float | None = setting(
        0.2,
        "How far one rollout may move a value, in units of the reward; null is off.",
        reason="the usual value, for rewards of about 1",
        gt=0,
        le=1e9,
    )


class RejectionConfig(RolloutSection):
    """Best-of-n fine-tuning: the best of what the model wrote is learned as any answer.

    Expert iteration (Anthony et al. 2017), rejection-sampling fine-tuning (Touvron et al. 2023,
    "Llama 2"; Yuan et al. 2023, "RFT"): the simple baseline to report beside reinforcement.
    """

    type: Literal["rejection"] = setting("rejection", _WHAT, reason=NAMED)
    keep_best: int = setting(
        1, "Most completions of a prompt that are learned.", reason="the best one", ge=1, le=1024
    )
    min_reward: float = setting(
        0.5,
        "Least reward of a completion that is learned.",
        reason="more right than wrong, where rewards go from 0 to 1",
        ge=-1e9,
        le=1e9,
    )


ROLLOUT_OBJECTIVES: dict[str, type[RolloutSection]] = {
    "grpo": GrpoConfig,
    "rloo": RlooConfig,
    "reinforce": ReinforceConfig,
    "ppo": PpoConfig,
    "rejection": RejectionConfig,
}
