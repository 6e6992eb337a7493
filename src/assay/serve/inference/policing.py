"""Under which tool policy the answers of one request stand."""

from __future__ import annotations

from dataclasses import dataclass

from assay.serve.inference.alias import Alias
from assay.serve.tool_policy import Enforcement
from assay.tools.policy import Conversation, Policy


@dataclass(frozen=True)
class Policing:
    """What checks the calls of a request's answers, each answer by itself.

    Attributes:
        model: whose policy it is, by its own name.
        conversation: what was asked, with the tools on offer.
        alias: by which the model was asked for, if by one.
    """

    model: str
    policy: Policy
    conversation: Conversation
    alias: Alias | None = None

    def begin(self) -> Enforcement:
        """A check of one answer."""
        return Enforcement(self.policy, self.conversation)
