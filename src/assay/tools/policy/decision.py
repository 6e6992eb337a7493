"""What a check decides, with evidence that names places and never quotes a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from assay.tools.calls import ToolCall
from assay.tools.policy.rules import Action, BreachKind

Outcome = Literal["pass", "flag", "redact", "block"]
_ORDER: tuple[Outcome, ...] = ("pass", "flag", "redact", "block")


@dataclass(frozen=True)
class Breach:
    """One rule that a call breaks.

    Attributes:
        kind: which rule.
        action: what the policy does about it.
        argument: the argument, by the policy's own name; "" where it is the call as a whole, or an
            argument that the policy does not know, whose name may itself carry something.
        evidence: JSON values fit for a log: limits, keywords, whose text and where; no value of the
            call and no text of the conversation.
    """

    kind: BreachKind
    action: Action
    argument: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        named = {"argument": self.argument} if self.argument else {}
        return {"rule": self.kind, "action": self.action, **named, **self.evidence}


@dataclass(frozen=True)
class Decision:
    """What becomes of a call: `call` is what may go on (redacted where `outcome` says so).

    `tool` is its name where the policy knows it, else "".
    """

    outcome: Outcome
    call: ToolCall
    tool: str
    breaches: tuple[Breach, ...] = ()

    @property
    def is_allowed(self) -> bool:
        return self.outcome != "block"

    def to_json(self) -> dict[str, Any]:
        """The decision without the call's arguments, for logs and responses."""
        told = [breach.to_json() for breach in self.breaches]
        return {"tool": self.tool or None, "outcome": self.outcome, "breaches": told}


def find_outcome(breaches: tuple[Breach, ...]) -> Outcome:
    """The strictest of what is done about them."""
    return max((breach.action for breach in breaches), key=_ORDER.index, default="pass")
