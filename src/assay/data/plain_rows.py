"""Reads Alpaca, prompt/completion and text rows into messages; renders nothing."""

from __future__ import annotations

from typing import Any

from assay.data.chat_rows import read_messages
from assay.data.records import Message, RowCheck, describe_type
from assay.data.tool_rows import parse_if_text

# What prompt/completion rows cannot have, and where they can.
UNTEMPLATED = "a prompt and a completion alone, which no chat template will touch"
TEMPLATED = "set format: alpaca, columns: {instruction: prompt, output: completion}, or remove it"


def read_string(fields: dict[str, Any], name: str, check: RowCheck, *, empty: str = "") -> str:
    """A text cell, or `""`; a null is the same as no cell.

    Args:
        empty: what an empty cell is called in the problem; without it an empty cell is allowed.
    """
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        check.refuse(name, describe_type(value), "text")
        return ""
    if empty and not (value or "").strip():
        check.refuse(name, empty, "text", "write it, or remove the row")
    return value or ""


def read_alpaca(fields: dict[str, Any], check: RowCheck) -> list[Message]:
    """`instruction` and `input`, joined by a line break, as the user; `output` as the answer.

    `history` is a list of earlier [instruction, output] pairs, whose answers are trained too.
    """
    instruction = read_string(fields, "instruction", check)
    context = read_string(fields, "input", check)
    asked = "\n".join(part for part in (instruction, context) if part.strip())
    if not asked and not check.problems:
        check.refuse("instruction", "an empty instruction", "text", "write it, or remove the row")
    answer = read_string(fields, "output", check, empty="an empty answer")
    history = _read_history(fields.get("history"), check)
    return [*history, {"role": "user", "content": asked}, {"role": "assistant", "content": answer}]


def _read_history(value: Any, check: RowCheck) -> list[Message]:
    history = parse_if_text(value, check, "history") or []
    if not isinstance(history, list):
        check.refuse("history", describe_type(history), "a list of [instruction, output] pairs")
        return []
    messages: list[Message] = []
    for index, pair in enumerate(history):
        if not (
            isinstance(pair, list)
            and len(pair) == 2
            and all(isinstance(text, str) and text.strip() for text in pair)
        ):
            check.refuse(f"history[{index}]", describe_type(pair), "[instruction, output], as text")
            continue
        messages.append({"role": "user", "content": pair[0]})
        messages.append({"role": "assistant", "content": pair[1]})
    return messages


def read_completion(fields: dict[str, Any], check: RowCheck) -> list[Message]:
    """Two strings, as one user and one assistant message that no template will touch.

    Only a template could place a system prompt or tools, so a row with either is refused.
    """
    for name in ("system", "tools", "functions"):
        if fields.get(name) not in (None, "", []):
            check.refuse(name, f"a prompt/completion row with {name}", UNTEMPLATED, TEMPLATED)
    prompt = read_string(fields, "prompt", check, empty="an empty prompt")
    answer = read_string(fields, "completion", check, empty="an empty answer")
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def has_message_lists(fields: dict[str, Any]) -> bool:
    """Whether prompt or completion is a list of messages, and not a string."""
    return any(isinstance(fields.get(name), list) for name in ("prompt", "completion"))


def read_message_completion(fields: dict[str, Any], check: RowCheck) -> list[Message]:
    """Lists of messages as one conversation of which the completion alone is trained.

    One of the two may be a string: then it is one user, or one assistant message.
    """
    prompt = _as_messages(fields.get("prompt"), "user")
    completion = _as_messages(fields.get("completion"), "assistant")
    for name, given in (("prompt", prompt), ("completion", completion)):
        if given is None:
            check.refuse(name, describe_type(fields.get(name)), "text or a list of messages")
    if prompt is None or completion is None:
        return []
    untrained = [
        {"weight": 0, **message} if isinstance(message, dict) and _is_answer(message) else message
        for message in prompt
    ]
    return read_messages([*untrained, *completion], check, key="prompt+completion")


def _as_messages(value: Any, role: str) -> list[Any] | None:
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    return value if isinstance(value, list) else None


def _is_answer(message: dict[str, Any]) -> bool:
    return message.get("role") == "assistant"


def read_text_row(fields: dict[str, Any], check: RowCheck) -> list[Message]:
    """The text as one assistant message, so that every token of it is trained."""
    text = read_string(fields, "text", check, empty="an empty text")
    return [{"role": "assistant", "content": text}]
