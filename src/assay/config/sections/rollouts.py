"""What objectives share that sample completions and have them graded; no loss is here."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from assay.config.sections.engine import EngineConfig
from assay.config.sections.learned import ObjectiveSection, RowKind
from assay.config.setting import REQUIRED, setting

KlEstimator = Literal["k1", "k2", "k3"]
BETA = (
    "How strongly the model is held to its reference, the model before the first step: weight of "
    "the estimated divergence. 0 has no reference."
)
KL_IN = (
    "Where the divergence stands: in the loss of every token, or taken from the reward of the "
    "completion before advantages are computed."
)
ESTIMATOR = (
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
    held_out_grader: dict[str, Any] | None = setting(
        None,
        "What judges completions of validation and test prompts in the grader's place, and is "
        "never trained on: it chooses the best weights, and shows where the grader is gamed.",
        allowed="a map with a type",
        reason="the grader itself",
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
    engine: EngineConfig | None = setting(
        None,
        "What writes completions in place of this process: a vLLM server, which is given the "
        "adapters before each rollout. It also answers held-out prompts and `assay reward check`.",
        reason="this process",
    )
    on_hacking: Literal["warn", "stop", "off"] = setting(
        "warn",
        "What is done where the training reward rises while the held-out reward falls, entropy "
        "collapses, or lengths explode: warn, or stop with the best weights.",
        reason="a line says so; the best weights by held-out reward are kept anyway",
    )

    @property
    def graders(self) -> dict[str, dict[str, Any]]:
        """Every description of a grader, by its key."""
        own = {"grader": self.grader}
        held_out = self.held_out_grader
        return own if held_out is None else {**own, "held_out_grader": held_out}

    @property
    def max_completion_tokens(self) -> int:
        return self.max_new_tokens


class PolicySection(RolloutSection):
    """What objectives of a policy's ratio share; numbers left out are those of the variant."""

    beta: float = setting(0.0, BETA, reason="no reference: the grader decides", ge=0, le=1000)
    kl_in: Literal["loss", "reward"] = setting("loss", KL_IN, reason="as GRPO is published")
    kl_estimator: KlEstimator = setting(
        "k3", ESTIMATOR, reason="never negative, and the one that varies least"
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
