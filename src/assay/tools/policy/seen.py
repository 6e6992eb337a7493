"""The calls of training rows, each with the conversation in which it was made; it judges none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.tools.calls import ToolCall, read_tool_calls
from assay.tools.policy.conversation import Conversation

TrainingRow = tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]] | None]
"""OpenAI chat messages, and the tools on offer."""


@dataclass(frozen=True)
class Seen:
    """One call of a row: `turn` counts the user's messages before it."""

    call: ToolCall
    before: Conversation
    tools: Sequence[Mapping[str, Any]]
    row: int
    turn: int


def list_seen(rows: Iterable[TrainingRow]) -> list[Seen]:
    """Every call that can be read, in order; answers that are not trained on (weight 0) too."""
    return [one for place, row in enumerate(rows) for one in _read_row(place, row)]


def _read_row(place: int, row: TrainingRow) -> list[Seen]:
    messages, tools = row
    if not any(message.get("tool_calls") for message in messages):
        return []
    found: list[Seen] = []
    conversation = Conversation.read([], tools)
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if message.get("role") != "assistant":
            conversation = conversation.hear(message, where)
            continue
        for call in read_tool_calls(message).tool_calls:
            turn = len(conversation.users)
            found.append(Seen(call, conversation, tools or (), place, turn))
            conversation = conversation.add_calls([call], where)
    return found
