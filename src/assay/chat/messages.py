"""Chat messages as plain dicts, made ready for a template; it knows no template and no token."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from assay.errors import DataError, Problem

Message = Mapping[str, Any]
"""An OpenAI chat message: `role`, `content`, `tool_calls`, `tool_call_id`, `weight`, …"""

Tool = Mapping[str, Any]
"""An OpenAI tool: ``{"type": "function", "function": {"name", "description", "parameters"}}``."""

# Names under which reasoning is passed; templates read the first, gpt-oss templates the second.
REASONING_KEYS = ("reasoning_content", "thinking", "reasoning")
# Mistral's templates: `tool_call.id|length != 9`, and the message that says so.
_NINE_LONG_IDS = re.compile(r"length\s*(?:!=|==)?\s*9\b")


def build_template_messages(messages: Sequence[Message], template: str) -> list[dict[str, Any]]:
    """Copies of `messages` in the form that `template` expects.

    - Keys without a value and `weight` (ours, not the template's) are left out.
    - Reasoning is passed under each name that templates read.
    - Tool arguments given as JSON text become objects: most templates would quote the text a
      second time, and the engines that serve parse it too.
    - A `developer` is the `system` of a template that never names the role: such templates would
      leave the message out, or refuse it.
    - Where a template demands call ids of 9 letters and digits, others become the hash of
      themselves, of calls and results alike.
    """
    ready = [_build_template_message(message) for message in messages]
    if "developer" not in template:
        ready = [
            {**one, "role": "system"} if one.get("role") == "developer" else one for one in ready
        ]
    return [_with_short_ids(one) for one in ready] if _NINE_LONG_IDS.search(template) else ready


def message_weight(message: Message) -> float:
    """The loss weight of an assistant message, 0 or above; 1 where none is given.

    Raises:
        DataError: the weight is not a number, or is negative.
    """
    weight = message.get("weight")
    if weight is None:
        return 1.0
    if not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
        raise DataError(
            Problem(
                got=f"weight {weight!r}",
                allowed="a number from 0",
                do="give 0 to keep the answer out of the loss, 1 to train it",
                key="messages.weight",
            )
        )
    return float(weight)


def message_text(message: Message) -> str:
    """The text of a message: its content, or the text parts of its content, joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))


def _build_template_message(message: Message) -> dict[str, Any]:
    ready = {key: value for key, value in message.items() if value is not None and key != "weight"}
    reasoning = next((ready[key] for key in REASONING_KEYS if key in ready), None)
    if reasoning is not None:
        ready = {"thinking": reasoning, **ready, "reasoning_content": reasoning}
    if "tool_calls" in ready:
        ready["tool_calls"] = [_with_object_arguments(call) for call in ready["tool_calls"]]
    return ready


def _with_short_ids(message: dict[str, Any]) -> dict[str, Any]:
    if "tool_call_id" in message:
        message = {**message, "tool_call_id": _shorten_id(message["tool_call_id"])}
    if "tool_calls" in message:
        calls = [
            {**call, "id": _shorten_id(call["id"])}
            if isinstance(call, Mapping) and "id" in call
            else call
            for call in message["tool_calls"]
        ]
        message = {**message, "tool_calls": calls}
    return message


def _shorten_id(identity: Any) -> str:
    text = str(identity)
    if re.fullmatch(r"[A-Za-z0-9]{9}", text):
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:9]


def _with_object_arguments(call: Any) -> Any:
    if not isinstance(call, Mapping):
        return call
    if isinstance(call.get("function"), Mapping):
        return {**call, "function": _with_object_arguments(call["function"])}
    arguments = call.get("arguments")
    return {**call, "arguments": _parse_object(arguments)} if isinstance(arguments, str) else call


def _parse_object(text: str) -> Any:
    """The object that `text` spells as JSON; else `text` itself, which a template prints as is."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text
