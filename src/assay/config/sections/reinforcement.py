"""Objectives that learn from what the model itself writes and a grader judges; no loss is here."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from assay.config.sections.learned import NAMED, ObjectiveSection, RowKind
from assay.config.setting import REQUIRED, setting

GrpoVariant = Literal["grpo", "dr_grpo", "dapo", "gspo", "cispo"]
KlEstimator = Literal["k1", "k2", "k3"]
_WHAT = "What is learned from a row."
_BETA = (
    "How strongly the model is held to its reference, the model before the first step: weight of "
    "the estimated divergence. 0 has no reference."
)
_KL_IN = (
    "Where the divergence stands: in the loss of every token, or taken from the reward of the "
    "completion before advantages are computed."
)
_ESTIMATOR = (
    "Schulman's estimate of the divergence of a token: k1 (l, without bias), k2 (l²/2) or k3 "
    "(exp(-l) - 1 + l), with l the log-ratio to the reference."
)
_CLIP_LOW = "How far below 1 the ratio to the sampling model may fall before a token is left alone."
_CLIP_HIGH = (
    "How far above 1 the ratio to the sampling model may rise before a token is left alone."
)


class RolloutSection(ObjectiveSection):
    """What all objectives share that sample completions and have them graded."""

    learns_from: ClassVar[RowKind] = "prompts"

    type: str
    grader: dict[str, Any] = setting(
        REQUIRED,
        "What judges a completion: a description in OpenAI's schemas or one of ours "
        "(docs/graders.md), such as {type: numeric, reference: '{{ item.answer }}'}.",
        allowed="a map with a type",
        example="objective.grader: {type: numeric, reference: '{{ item.answer }}'}",
    )
    group_size: int = setting(
        8,
        "Completions that are sampled of each prompt; they are judged beside each other.",
        reason="enough to tell better from worse, with an even number of easy and hard prompts",
        ge=2,
        le=1024,
    )
    max_new_tokens: int = setting(
        256,
        "Longest completion; what is not finished by then is cut off and graded as it is.",
        unit="tokens",
        reason="room for a short chain of steps",
        ge=1,
        le=1_000_000,
    )
    temperature: float = setting(
        1.0,
        "Temperature of sampling; the policy that learns is the model at this temperature.",
        reason="the model itself",
        gt=0,
        le=10,
    )
    top_p: float = setting(
        1.0,
        "Smallest set of tokens of this probability that is sampled from.",
        unit="ratio",
        reason="off: what is never sampled cannot be learned about",
        gt=0,
        le=1,
    )
    overlong_margin: int = setting(
        0,
        "Over the last so many tokens of max_new_tokens the reward falls by up to 1 (DAPO's soft "
        "overlong punishment); 0 is off.",
        unit="tokens",
        reason="off: the grader says what a completion is worth",
        ge=0,
        le=1_000_000,
    )
    validation_samples: int = setting(
        1,
        "Completions of each validation prompt whose mean reward chooses the best weights; 1 is "
        "greedy, more are sampled.",
        reason="greedy, as the model will be asked",
        ge=1,
        le=1024,
    )
    environment: str | None = setting(
        None,
        "What completions are turns in: `tools` (the row's tools, which only seem to act), or a "
        "class of yours by `file.py:Class` with setup(row) and step(action). Every turn is of at "
        "most max_new_tokens, and the grader reads the last; type episode is what its turns gave.",
        reason="one answer, without an environment",
        min_length=1,
    )
    max_turns: int = setting(
        4,
        "Most turns of the model in an environment.",
        reason="a call, its result, another, and an answer",
        ge=1,
        le=1000,
    )
    on_hacking: Literal["warn", "stop", "off"] = setting(
        "warn",
        "What is done where the training reward rises while the held-out reward falls, entropy "
        "collapses, or lengths explode: warn, or stop with the best weights.",
        reason="a line says so; the best weights by held-out reward are kept anyway",
    )

    @property
    def max_completion_tokens(self) -> int:
        return self.max_new_tokens


class PolicySection(RolloutSection):
    """What objectives of a policy's ratio share; numbers left out are those of the variant."""

    beta: float = setting(0.0, _BETA, reason="no reference: the grader decides", ge=0, le=1000)
    kl_in: Literal["loss", "reward"] = setting("loss", _KL_IN, reason="as GRPO is published")
    kl_estimator: KlEstimator = setting(
        "k3", _ESTIMATOR, reason="never negative, and the one that varies least"
    )
    clip_low: float | None = setting(None, _CLIP_LOW, reason="by rule", gt=0, lt=1)
    clip_high: float | None = setting(None, _CLIP_HIGH, reason="by rule", gt=0, le=1000)
    updates: int = setting(
        1,
        "Optimizer steps on the completions of one rollout before the next is sampled.",
        unit="steps",
        reason="every step learns from what the model writes now",
        ge=1,
        le=64,
    )
    importance_cap: float | None = setting(
        2.0,
        "Most that a token weighs for having been less likely where it was sampled (truncated "
        "importance sampling: kernels, precision and top_p differ); null is off.",
        reason="the published cap",
        ge=1,
        le=1000,
    )
    dynamic_sampling: int = setting(
        0,
        "Most further prompts, in times of a step's, that are drawn in place of those of whose "
        "completions all have the same reward; 0 is off.",
        unit="times",
        reason="off: a step has the prompts that its place in the epoch gives it",
        ge=0,
        le=64,
    )
    mask_truncated: bool = setting(
        False,
        "Learn nothing from completions that max_new_tokens cut off.",
        reason="their reward says that they were too long",
    )


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
    beta: float = setting(0.05, _BETA, reason="the published value", ge=0, le=1000)
    kl_in: Literal["loss", "reward"] = setting("reward", _KL_IN, reason="as it is published")
    kl_estimator: KlEstimator = setting("k1", _ESTIMATOR, reason="as it is published")


class ReinforceConfig(PolicySection):
    """REINFORCE++ (Hu 2025): returns of tokens, normalised over the whole batch."""

    type: Literal["reinforce"] = setting("reinforce", _WHAT, reason=NAMED)
    baseline: Literal["batch", "group"] = setting(
        "batch",
        "What is taken from a return first: nothing but the batch's mean, or the mean reward of "
        "the prompt's completions (REINFORCE++-baseline).",
        reason="as it is published",
    )
    beta: float = setting(0.01, _BETA, reason="the published value", ge=0, le=1000)
    kl_in: Literal["loss", "reward"] = setting("reward", _KL_IN, reason="as it is published")
    kl_estimator: KlEstimator = setting("k1", _ESTIMATOR, reason="as it is published")


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
    beta: float = setting(0.05, _BETA, reason="the usual value of RLHF", ge=0, le=1000)
    kl_in: Literal["loss", "reward"] = setting("reward", _KL_IN, reason="as it is published")
    kl_estimator: KlEstimator = setting("k1", _ESTIMATOR, reason="as it is published")
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
