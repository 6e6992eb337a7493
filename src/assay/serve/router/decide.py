"""The router's decision, as a pure function of policy, facts and readings of scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from assay.serve.router.rules import BASE, REFUSE, SCOPE, Policy, Rule, When

Kind = Literal["model", "base", "remote", "refuse"]


@dataclass(frozen=True)
class Facts:
    """What of a request rules look at; no word of it.

    `label` is "" without one, and `language` "" where it cannot be told; `num_tokens` are of the
    whole prompt in the base's tokens.
    """

    project: str
    label: str
    language: str
    num_tokens: int
    num_tools: int


@dataclass(frozen=True)
class Reading:
    """What scope says of a prompt and one model of the policy.

    Attributes:
        asked: the released model or alias that the policy names.
        model: the released model behind it; "" where there is none.
        score: how far outside, higher is farther; None where it was not computed.
        p_value: the share of held-out prompts that are as far outside; None likewise.
        level: that of the model's release.
        num_held_out: prompts that calibrate it; an answer's level needs enough of them.
        obstacle: why scope cannot choose it; empty where it can.
    """

    asked: str = ""
    model: str = ""
    score: float | None = None
    p_value: float | None = None
    level: float | None = None
    num_held_out: int = 0
    obstacle: str = ""


@dataclass(frozen=True)
class Decision:
    """Where a request goes.

    Attributes:
        to: the policy's name of a model or remote model; base or refuse.
        reason: rule, in_scope, outside_scope, or remote_forbidden.
        rule: the name of the rule that fitted, else its number from 1; "" where none did.
        readings: by the policy's names, of those that were looked at.
    """

    kind: Kind
    to: str
    reason: str
    rule: str = ""
    readings: Mapping[str, Reading] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without the readings."""
        return {key: value for key, value in asdict(self).items() if key != "readings"}


Read = Callable[[Sequence[str]], Mapping[str, Reading]]
"""The readings of some of the policy's models."""


def decide(policy: Policy, facts: Facts, read: Read) -> Decision:
    """The first rule that fits, else scope; `read` is called at most once, and only for scope."""
    number, rule = next(
        ((n, rule) for n, rule in enumerate(policy.rules, 1) if fits(rule.when, facts)),
        (0, Rule(to=SCOPE)),
    )
    told = (rule.name or str(number)) if number else ""
    if rule.to == SCOPE:
        names = list(policy.models) if rule.among is None else list(rule.among)
        found = _choose_by_scope(policy, names, read(names) if names else {})
    else:
        found = Decision(_find_kind(policy, rule.to), rule.to, "rule")
    found = replace(found, rule=told)
    if found.kind == "remote" and not policy.may_leave(facts.label):
        to = policy.instead_of_remote
        return replace(found, kind=_find_kind(policy, to), to=to, reason="remote_forbidden")
    return found


def fits(when: When, facts: Facts) -> bool:
    """Whether a request is all that `when` names."""
    lists = (
        (when.projects, facts.project),
        (when.labels, facts.label),
        (when.languages, facts.language),
    )
    return (
        all(allowed is None or value in allowed for allowed, value in lists)
        and (when.min_tokens is None or facts.num_tokens >= when.min_tokens)
        and (when.max_tokens is None or facts.num_tokens <= when.max_tokens)
        and (when.tools is None or when.tools == (facts.num_tools > 0))
    )


def find_level(policy: Policy, name: str, reading: Reading) -> float | None:
    """The level for one of the policy's models: the policy's own, else its release's."""
    own = policy.models[name].level
    return reading.level if own is None else own


def is_inside(reading: Reading, level: float | None) -> bool:
    """Whether a prompt may stay: more held-out prompts than the level are as far outside.

    The same as a score within the conformal threshold (`assay.evaluate.scope.conformal`).
    """
    if reading.obstacle or reading.p_value is None or level is None:
        return False
    # With so few held-out prompts that none can be outside, nothing is known to be inside.
    can_tell = 1 / (reading.num_held_out + 1) <= level + 1e-12
    return can_tell and reading.p_value > level + 1e-12


def _choose_by_scope(
    policy: Policy, names: Sequence[str], readings: Mapping[str, Reading]
) -> Decision:
    """The adapter for whose prompts it is the most usual; in order where several are as usual."""
    inside = [
        name
        for name in names
        if is_inside(readings[name], find_level(policy, name, readings[name]))
    ]
    if inside:
        best = max(inside, key=lambda name: readings[name].p_value or 0.0)
        return Decision("model", best, "in_scope", readings=readings)
    kind = _find_kind(policy, policy.outside)
    return Decision(kind, policy.outside, "outside_scope", readings=readings)


def _find_kind(policy: Policy, to: str) -> Kind:
    if to == BASE:
        return "base"
    if to == REFUSE:
        return "refuse"
    return "remote" if to in policy.remotes else "model"
