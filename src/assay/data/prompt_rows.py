"""Reads rows of prompts alone, which the model itself answers; renders nothing."""

from __future__ import annotations

from typing import Any

from assay.data.chat_rows import check_called_tools, read_messages
from assay.data.plain_rows import UNTEMPLATED, read_string
from assay.data.records import Kind, Message, RowCheck, describe_type
from assay.data.shapes import PROMPT_FIELDS
from assay.data.tool_rows import Tool, parse_if_text

_ASKING = ("user", "tool")


def read_prompt(fields: dict[str, Any], check: RowCheck) -> tuple[Kind, list[Message]]:
    """Messages of which the model says the next; problems go to `check`.

    `messages` and an `instruction` (a user's message) go through the template, and so does a
    `prompt` that is a list of messages; a `prompt` of text is raw, and no template touches it.
    """
    given = [name for name in PROMPT_FIELDS if fields.get(name) is not None]
    if len(given) != 1:
        got = f"{' and '.join(given)} in one row" if given else "no prompt"
        do = "keep one of them" if given else "add the column, or map it (columns)"
        check.refuse("+".join(given) or "prompt", got, f"one of {', '.join(PROMPT_FIELDS)}", do)
        return "chat", []
    (name,) = given
    if name == "instruction":
        text = read_string(fields, name, check, empty="an empty instruction")
        return "chat", [{"role": "user", "content": text}]
    value = fields[name]
    if name == "messages" or (isinstance(value, str) and value.lstrip().startswith("[{")):
        value = parse_if_text(value, check, name)
    if check.problems:
        return "chat", []
    if isinstance(value, str) and name == "prompt":
        return "completion", _read_raw(fields, check)
    if not isinstance(value, list):
        check.refuse(name, describe_type(value), "text or a list of messages")
        return "chat", []
    return "chat", read_messages([_untrained(one) for one in value], check, key=name)


def _read_raw(fields: dict[str, Any], check: RowCheck) -> list[Message]:
    for name in ("system", "tools"):
        if fields.get(name) not in (None, "", []):
            do = "map the prompt to `instruction` (columns: {instruction: prompt}), or remove it"
            check.refuse(name, f"a prompt of raw text with {name}", UNTEMPLATED, do)
    text = read_string(fields, "prompt", check, empty="an empty prompt")
    return [{"role": "user", "content": text}]


def check_prompt(
    messages: list[Message], tools: list[Tool] | None, check: RowCheck, *, key: str
) -> None:
    """Refuse a prompt that does not ask, or whose earlier turns call tools it does not offer."""
    role = messages[-1].get("role") if messages else None
    if messages and role not in _ASKING:
        check.refuse(
            f"{key}[{len(messages) - 1}].role",
            f"a last turn by the {role}",
            "the user, or a tool's result: the model answers",
            "move the answer into a column of its own, which the grader reads as item.NAME",
        )
    if tools:
        check_called_tools(messages, {tool["function"]["name"] for tool in tools}, check, key)


def _untrained(message: Any) -> Any:
    is_answer = isinstance(message, dict) and message.get("role") == "assistant"
    return {**message, "weight": 0} if is_answer else message
