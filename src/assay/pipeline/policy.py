"""What an objective of completions makes of rewards: credit, averages, and a token's loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.config.sections.reinforcement import (
    GrpoConfig,
    PpoConfig,
    ReinforceConfig,
    RejectionConfig,
    RlooConfig,
)
from assay.config.sections.rollouts import PolicySection, RolloutSection

if TYPE_CHECKING:
    from assay.losses.averages import Average
    from assay.train.credit import Credit
    from assay.train.policy import PolicySettings

_AVERAGES: dict[str, Average] = {
    "grpo": "completion",
    "gspo": "completion",
    "dr_grpo": "length_limit",
    "dapo": "token",
    "cispo": "token",
}


def list_parts(objective: RolloutSection) -> list[str]:
    """The names of a combined grader's parts; none of a single one."""
    from assay.graders import store_spec

    spec = store_spec(objective.grader)
    return sorted(spec["graders"]) if spec.get("type") == "multi" else []


def build_credit(objective: RolloutSection) -> Credit:
    """How rewards become advantages."""
    from assay.train.credit import (
        BestOfCredit,
        GaeCredit,
        GroupCredit,
        LeaveOneOutCredit,
        ReturnCredit,
    )

    if isinstance(objective, RejectionConfig):
        return BestOfCredit(objective.keep_best, objective.min_reward)
    if isinstance(objective, RlooConfig):
        return LeaveOneOutCredit()
    if isinstance(objective, ReinforceConfig):
        return ReturnCredit(objective.baseline)
    if isinstance(objective, PpoConfig):
        return GaeCredit(objective.gamma, objective.lam)
    return GroupCredit(scale=getattr(objective, "variant", "grpo") != "dr_grpo")


def choose_average(objective: RolloutSection) -> Average:
    """Over what tokens' losses are averaged."""
    if isinstance(objective, GrpoConfig):
        return _AVERAGES[objective.variant]
    return "completion" if isinstance(objective, RlooConfig) else "token"


def build_policy(objective: RolloutSection) -> PolicySettings:
    """What a token's loss is made of."""
    from assay.train.policy import PolicySettings

    if not isinstance(objective, PolicySection):
        return PolicySettings("likelihood", temperature=objective.temperature)
    assert objective.clip_low is not None and objective.clip_high is not None, "resolve() finds it"
    variant = objective.variant if isinstance(objective, GrpoConfig) else ""
    levels = {"gspo": "mean", "": "sum" if isinstance(objective, RlooConfig) else "token"}
    return PolicySettings(
        "cispo" if variant == "cispo" else "clipped",
        level=levels.get(variant, "token"),  # type: ignore[arg-type]
        clip_low=objective.clip_low,
        clip_high=objective.clip_high,
        beta=objective.beta if objective.kl_in == "loss" else 0.0,
        estimator=objective.kl_estimator,
        importance_cap=objective.importance_cap,
        temperature=objective.temperature,
        value_weight=objective.value_weight if isinstance(objective, PpoConfig) else 0.0,
        value_clip=objective.value_clip if isinstance(objective, PpoConfig) else None,
    )
