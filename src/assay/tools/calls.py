"""What a tool call is, and how it is read from a decoded JSON value; it knows no text format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn


@dataclass(frozen=True)
class ToolCall:
    """One call: the tool's name and its arguments, a decoded JSON object."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class ParsedAnswer:
    """An assistant's text, taken apart.

    Attributes:
        content: the text outside calls and reasoning, stripped.
        tool_calls: the calls that could be read, in order.
        errors: what looks like a call but cannot be read, each with the reason.
        reasoning: the text of a leading ``<think>`` block, stripped.
    """

    content: str
    tool_calls: list[ToolCall] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    reasoning: str = ""


class CallError(ValueError):
    """A JSON value, or a text, is not a tool call; the message says why."""


def build_call(value: Any) -> ToolCall:
    """The call that a decoded JSON value describes.

    Takes ``{"name", "arguments"}`` and ``{"name", "parameters"}``, bare or under ``function``.
    Arguments may be an object, JSON text of one, or missing (no arguments).

    Raises:
        CallError: anything else.
    """
    if not isinstance(value, Mapping):
        raise CallError(f"a call must be a JSON object, got {_kind(value)}")
    if isinstance(value.get("function"), Mapping):
        value = value["function"]
    name = value.get("name")
    if not isinstance(name, str) or not name:
        raise CallError('a call needs "name", the name of a tool')
    arguments = value.get("arguments", value.get("parameters"))
    return ToolCall(name=name, arguments=_read_arguments(name, arguments))


def read_tool_calls(message: Mapping[str, Any]) -> ParsedAnswer:
    """The calls of an OpenAI assistant message, whose arguments are JSON text."""
    calls: list[ToolCall] = []
    errors: list[str] = []
    for value in message.get("tool_calls") or []:
        try:
            calls.append(build_call(value))
        except CallError as error:
            errors.append(str(error))
    content = message.get("content")
    return ParsedAnswer(
        content=content.strip() if isinstance(content, str) else "",
        tool_calls=calls,
        errors=errors,
        reasoning=str(message.get("reasoning_content") or "").strip(),
    )


def decode_json(text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value that begins at `start` of `text`, and where it ends.

    Raises:
        CallError: there is no valid JSON there. ``NaN`` and infinities are not JSON.
    """
    try:
        return _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise CallError(f"broken JSON: {error}") from error


def _read_arguments(name: str, arguments: Any) -> dict[str, Any]:
    if isinstance(arguments, str) and arguments.strip():
        text = arguments.strip()
        arguments, end = decode_json(text)
        if end != len(text):
            raise CallError(f"{name}: arguments hold text after their JSON")
    if arguments is None or arguments == "":
        return {}
    if not isinstance(arguments, Mapping):
        raise CallError(f"{name}: arguments must be a JSON object, got {_kind(arguments)}")
    return dict(arguments)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value"}
    return "null" if value is None else names.get(type(value), "a number")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
