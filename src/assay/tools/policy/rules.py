"""What a policy says: tools, their arguments, budgets, and what is done about each breach."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, NonNegativeInt, field_validator

from assay.tools.channels import Channel

Action = Literal["block", "redact", "flag"]
BreachKind = Literal[
    "unreadable",
    "unknown_tool",
    "not_offered",
    "schema",
    "budget",
    "order",
    "destination",
    "made_up",
    "ordered",
    "secret",
    "system_text",
    "result_text",
]
KINDS: tuple[BreachKind, ...] = get_args(BreachKind)
REDACTABLE: tuple[BreachKind, ...] = ("secret", "system_text", "result_text")
"""Breaches that lie in a part of a text; only they can be redacted."""
Speaker = Literal["user", "system", "result", "call", "model"]
"""Who can have named a value: a turn, an earlier call of the conversation, or nobody (model)."""
Carried = Literal["secret", "system", "result"]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArgumentRule(_Closed):
    """An argument through which something can leave.

    Attributes:
        channels: where it leads: network, file, code, message, payment.
        leads: it names a destination, rather than what is sent.
        named_by: whose words a value must be; model: it may be new. A destination in the form of
            one (host, address, path, account) must be named or allowed all the same.
        allow: destinations that nobody has to name, as patterns: ``*@example.com``.
        carries: what it may carry besides: secrets of the user, parts of system text, of results.
    """

    channels: tuple[Channel, ...]
    leads: bool = False
    named_by: tuple[Speaker, ...] = ("user",)
    allow: tuple[str, ...] = ()
    carries: tuple[Carried, ...] = ()


class ToolRule(_Closed):
    """A tool that may be called, with what and how often.

    Attributes:
        parameters: JSON Schema of the arguments.
        arguments: those that lead out; the others have no rule here.
        after: tools that must have been called before.
        max_per_turn: calls between one user message and the next.
        max_per_conversation: calls in all.
        breaches: what is done here otherwise than in the policy.
    """

    parameters: dict[str, Any]
    arguments: dict[str, ArgumentRule] = {}
    after: tuple[str, ...] = ()
    max_per_turn: NonNegativeInt
    max_per_conversation: NonNegativeInt
    breaches: dict[BreachKind, Action] = {}

    @field_validator("parameters")
    @classmethod
    def _is_schema(cls, value: dict[str, Any]) -> dict[str, Any]:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        try:
            Draft202012Validator.check_schema(value)
        except SchemaError as error:
            raise ValueError(f"a JSON Schema ({error.message})") from error
        return value

    @field_validator("breaches")
    @classmethod
    def _can_be_done(cls, value: dict[BreachKind, Action]) -> dict[BreachKind, Action]:
        return _refuse_redacting(value)


class Policy(_Closed):
    """All that a model may call; without tools it denies every call.

    Attributes:
        tools: by name.
        max_per_turn: calls of all tools between one user message and the next.
        max_per_conversation: calls of all tools.
        breaches: what is done: block (where none is named), redact, or flag.
    """

    format: Literal["assay-tool-policy/1"] = "assay-tool-policy/1"
    tools: dict[str, ToolRule] = {}
    max_per_turn: NonNegativeInt = 0
    max_per_conversation: NonNegativeInt = 0
    breaches: dict[BreachKind, Action] = {}

    @field_validator("breaches")
    @classmethod
    def _can_be_done(cls, value: dict[BreachKind, Action]) -> dict[BreachKind, Action]:
        return _refuse_redacting(value)

    def choose_action(self, kind: BreachKind, tool: str) -> Action:
        """What is done about a breach of `kind` by a call of `tool`."""
        rule = self.tools.get(tool)
        own = rule.breaches.get(kind) if rule else None
        return own or self.breaches.get(kind, "block")


def _refuse_redacting(value: dict[BreachKind, Action]) -> dict[BreachKind, Action]:
    wrong = [
        kind for kind, action in value.items() if action == "redact" and kind not in REDACTABLE
    ]
    if wrong:
        allowed = ", ".join(REDACTABLE)
        raise ValueError(f"redact for {allowed} alone, not for {', '.join(wrong)}")
    return value
