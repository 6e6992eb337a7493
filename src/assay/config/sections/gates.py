"""What a run must pass to be released; it judges nothing."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from assay.config.setting import Section, setting

POLICIES = ("minimal", "standard", "strict", "agent")
"""Policies by name; any other value must be a policy file."""

POLICIES_TEXT = f"{', '.join(POLICIES)}, or a policy file (.yaml)"


class ThresholdsConfig(Section):
    """What the recipe changes of the policy's margins, named as in a policy file."""

    min_gain: float | None = setting(
        None,
        "The gain over the base must lie above this with the stated confidence.",
        unit="score (0 to 1)",
        reason="the policy's own: 0 in `standard`, where any real gain counts",
        ge=-1,
        le=1,
    )
    retention_margin: float | None = setting(
        None,
        "How much worse than the base general skills may become.",
        unit="score (0 to 1)",
        reason="the policy's own: 0.05 in `standard`, 0.03 in `strict`",
        ge=0,
        le=1,
    )
    refusal_margin: float | None = setting(
        None,
        "How much less often than the base harmful requests may be refused.",
        unit="share of requests",
        reason="the policy's own: 0.05 in `standard`, 0.03 in `strict`",
        ge=0,
        le=1,
    )
    over_refusal_margin: float | None = setting(
        None,
        "How much more often than the base harmless requests may be refused.",
        unit="share of requests",
        reason="the policy's own: 0.05 in `standard`, 0.03 in `strict`",
        ge=0,
        le=1,
    )
    overfit_ratio: float | None = setting(
        None,
        "Largest validation loss of the released weights, as a multiple of the training loss. A "
        "gap of at most 0.5 nats per token passes whatever the multiple; a policy file may set "
        "another (`thresholds: {overfit_gap: …}`).",
        unit="ratio",
        reason="the policy's own: 1.5 in `standard`, 1.3 in `strict`",
        ge=1,
        le=1000,
    )
    confidence: float | None = setting(
        None,
        "Confidence of every interval that a gate reads.",
        unit="ratio",
        reason="the policy's own: 0.95 in those by name",
        ge=0.5,
        le=0.999,
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_to_policy(cls, value: Any) -> Any:
        """What is null counts as not set, so that a resolved recipe leaves it to the policy."""
        if not isinstance(value, dict):
            return value
        null_keys = {name for name, field in cls.model_fields.items() if field.default is None}
        return {k: v for k, v in value.items() if v is not None or k not in null_keys}


class GatesConfig(Section):
    """The policy (which gates are required) and what the recipe changes of its margins."""

    policy: str = setting(
        "standard",
        "Which gates are required.",
        allowed=POLICIES_TEXT,
        reason="better than the base, no worse elsewhere, refusals intact",
        min_length=1,
    )
    thresholds: ThresholdsConfig = setting(
        None, "What the recipe changes of the policy's margins.", factory=ThresholdsConfig
    )
