"""How rows of this example are written: one fault, its rule, and the row that has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """A row and the rule that is to find it.

    `row` is the row, or the line as it stands in the file where it is to be broken; `copies` are
    further rows that make the same case.
    """

    rule: str
    what: str
    row: Row | bytes
    copies: list[Row] = field(default_factory=list)


def chat(user: str, answer: str, **columns: Any) -> Row:
    """A question and an answer."""
    return {"messages": [ask(user), say(answer)], **columns}


def ask(text: str) -> Row:
    """A turn of the user."""
    return {"role": "user", "content": text}


def say(text: str | None, *calls: Row) -> Row:
    """A turn of the assistant."""
    turn: Row = {"role": "assistant", "content": text}
    return {**turn, "tool_calls": list(calls)} if calls else turn


def call(name: str, arguments: str, identity: str = "c1") -> Row:
    """A tool call; `arguments` is JSON, as the model writes it."""
    function = {"name": name, "arguments": arguments}
    return {"id": identity, "type": "function", "function": function}


def result(text: str, identity: str = "c1") -> Row:
    """A tool's result."""
    return {"role": "tool", "tool_call_id": identity, "content": text}


def tool(name: str, description: str, **properties: str) -> Row:
    """An offered tool whose arguments have these JSON types, all required."""
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
    }
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}
