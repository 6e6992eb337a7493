"""Reads chat `messages` (OpenAI's shape), checks what a conversation must be; renders nothing."""

from __future__ import annotations

import difflib
from typing import Any

from assay.data.records import Message, RowCheck, describe, describe_type
from assay.data.tool_rows import read_tool_call, read_tool_calls

ROLES = ("system", "developer", "user", "assistant", "tool")
ROLE_LIST = ", ".join(ROLES)
MESSAGE_KEYS = (
    "role",
    "content",
    "reasoning_content",
    "tool_calls",
    "tool_call_id",
    "name",
    "weight",
)
# Read, then written under another key: older or other names of the same things.
OTHER_KEYS = ("function_call", "refusal", "reasoning", "thinking")
# What a message of the older role `function`, which has no ids, answers.
LAST_CALL = ""


def read_messages(value: Any, check: RowCheck, *, key: str = "messages") -> list[Message]:
    """Messages in one normal form: known keys only, content as text, calls with ids.

    Content given as a list of text parts is joined. The legacy role `function` and key
    `function_call` become `tool` and `tool_calls`. Problems go to `check`.
    """
    if not isinstance(value, list):
        check.refuse(key, describe_type(value), "a list of messages")
        return []
    if not value:
        check.refuse(key, "an empty list", "at least one user and one assistant message")
    messages = []
    for index, given in enumerate(value):
        message = _read_message(given, check, f"{key}[{index}]")
        messages.append(message or {})
    if all(messages):
        _link_tool_calls(messages, check, key)
    return messages


def _read_message(given: Any, check: RowCheck, key: str) -> Message | None:
    if not isinstance(given, dict):
        check.refuse(key, describe_type(given), '{"role": …, "content": …}')
        return None
    given = {name: item for name, item in given.items() if item is not None}
    role = _read_role(given, check, f"{key}.role")
    if role is None:
        return None
    before = len(check.problems)
    _check_keys(given, check, key)
    message: Message = {"role": role, "content": read_content(given, check, f"{key}.content")}
    for other in ("reasoning", "thinking"):
        if other in given:
            given.setdefault("reasoning_content", given[other])
    for name in ("reasoning_content", "name", "tool_call_id"):
        if given.get(name, "") != "" and _is_text(given[name], check, f"{key}.{name}"):
            message[name] = given[name]
    if given["role"] == "function":
        message.setdefault("tool_call_id", LAST_CALL)
    if len(check.problems) == before:
        read_rest = _read_answer if role == "assistant" else _check_other
        read_rest(given, message, check, key)
    return message if len(check.problems) == before else None


def _read_role(given: dict[str, Any], check: RowCheck, key: str) -> str | None:
    role = given.get("role")
    if role == "function":
        return "tool"
    if isinstance(role, str) and role in ROLES:
        return role
    if role is None:
        check.refuse(key, "no role", ROLE_LIST, "add the role of this message")
        return None
    near = difflib.get_close_matches(str(role).lower(), ROLES, n=1)
    do = f"write {near[0]}" if near else "use one of these, or data.train.format: sharegpt"
    check.refuse(key, f"unknown role {describe(role)}", ROLE_LIST, do)
    return None


def _check_keys(given: dict[str, Any], check: RowCheck, key: str) -> None:
    """A key that looks like a slip of a known one is refused; any other is left out and counted."""
    for name in given:
        if name in MESSAGE_KEYS or name in OTHER_KEYS:
            continue
        near = difflib.get_close_matches(name, MESSAGE_KEYS, n=1, cutoff=0.85)
        if near:
            check.refuse(f"{key}.{name}", "an unknown key", near[0], f"did you mean {near[0]}?")
        else:
            check.ignored[name] += 1


def read_content(given: dict[str, Any], check: RowCheck, key: str) -> str | None:
    """The text of a message: a string, or a list of text parts joined; None where there is none."""
    content = given.get("content", given.get("refusal"))
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        check.refuse(key, describe_type(content), "text, or a list of text parts")
        return None
    texts = [_read_part(part, check, f"{key}[{index}]") for index, part in enumerate(content)]
    return "".join(texts)


def _read_part(part: Any, check: RowCheck, key: str) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, dict) else None
    text = part.get("text", part.get("refusal")) if isinstance(part, dict) else None
    if kind in ("text", "refusal") and isinstance(text, str):
        return text
    got = f"a part of type {describe(kind)}" if kind else describe(part)
    check.refuse(key, got, '{"type": "text", "text": …}', "images and sound are not trained on")
    return ""


def _is_text(value: Any, check: RowCheck, key: str) -> bool:
    if isinstance(value, str):
        return True
    check.refuse(key, describe_type(value), "text")
    return False


def _read_answer(given: dict[str, Any], message: Message, check: RowCheck, key: str) -> None:
    before = len(check.problems)
    calls = given.get("tool_calls") or []
    if calls:
        message["tool_calls"] = read_tool_calls(calls, check, f"{key}.tool_calls")
    elif "function_call" in given:
        call = read_tool_call(given["function_call"], check, f"{key}.function_call")
        message["tool_calls"] = [call] if call else []
    if len(check.problems) == before and not message.get("tool_calls"):
        message.pop("tool_calls", None)
        if not (message["content"] or "").strip():
            check.refuse(
                f"{key}.content",
                "an empty answer",
                "text or tool calls in every assistant message",
                "write the answer, or remove the row",
            )
    weight = given.get("weight")
    if weight is not None:
        if isinstance(weight, bool) or weight not in (0, 1):
            check.refuse(f"{key}.weight", describe(weight), "0 (not trained) or 1 (trained)")
        else:
            message["weight"] = int(weight)


def _check_other(given: dict[str, Any], message: Message, check: RowCheck, key: str) -> None:
    role = message["role"]
    if given.get("tool_calls") or given.get("function_call"):
        check.refuse(f"{key}.tool_calls", f"tool calls of the {role}", "calls by the assistant")
    if given.get("weight") not in (None, 0):
        check.refuse(
            f"{key}.weight",
            f"a weight on a {role} message",
            "weights on assistant messages: nothing else is trained",
            "remove it",
        )
    if message["content"] is None:
        check.refuse(f"{key}.content", "no content", "text", "write the text of this message")
    elif role == "user" and not message["content"].strip():
        check.refuse(f"{key}.content", "an empty user message", "text", "write it or drop the row")


def _link_tool_calls(messages: list[Message], check: RowCheck, key: str) -> None:
    """Give calls without an id one, and refuse results that answer no earlier call."""
    known: list[str] = []
    for index, message in enumerate(messages):
        for call in message.get("tool_calls", []):
            call["id"] = call["id"] or f"call_{len(known) + 1}"
            known.append(call["id"])
        _refuse_double_ids(message, check, f"{key}[{index}].tool_calls")
        if message["role"] == "tool":
            if message.get("tool_call_id") == LAST_CALL and known:
                message["tool_call_id"] = known[-1]
            _check_result(message, known, check, f"{key}[{index}].tool_call_id")


def _refuse_double_ids(message: Message, check: RowCheck, key: str) -> None:
    ids = [call["id"] for call in message.get("tool_calls", [])]
    for double in sorted({one for one in ids if ids.count(one) > 1}):
        check.refuse(key, f"two calls with the id {double!r}", "one id for each call")


def _check_result(message: Message, known: list[str], check: RowCheck, key: str) -> None:
    identity = message.get("tool_call_id")
    if identity in known:
        return
    calls = ", ".join(known) or "no call stands before it"
    got = "a tool result without a call id" if not identity else f"an unknown id {identity!r}"
    check.refuse(key, got, f"the id of an earlier call ({calls})", "name the call it answers")


def check_conversation(
    messages: list[Message],
    tools: list[dict[str, Any]] | None,
    check: RowCheck,
    *,
    key: str = "messages",
) -> None:
    """Refuse a conversation that has nothing to learn, or that calls tools it was not offered."""
    roles = [message.get("role") for message in messages]
    if "assistant" not in roles:
        check.refuse(
            key,
            "no assistant turn",
            "a conversation that ends with an assistant message",
            "add the answer; rows of prompts alone are for reinforcement objectives such as grpo",
        )
    elif roles[-1] != "assistant":
        check.refuse(
            f"{key}[{len(roles) - 1}].role",
            f"a last turn by the {roles[-1]}",
            "assistant",
            "add the answer, or remove what follows it",
        )
    if tools:
        check_called_tools(messages, {tool["function"]["name"] for tool in tools}, check, key)


def check_called_tools(
    messages: list[Message], offered: set[str], check: RowCheck, key: str
) -> None:
    """Refuse calls of tools that the row does not offer."""
    for index, message in enumerate(messages):
        for call in message.get("tool_calls", []):
            name = call["function"]["name"]
            if name not in offered:
                check.refuse(
                    f"{key}[{index}].tool_calls",
                    f"a call to {name!r}, which the row's tools do not have",
                    ", ".join(sorted(offered)),
                    "offer the tool or correct the name",
                )


def add_system(messages: list[Message], system: str | None) -> list[Message]:
    """`messages` with a system message in front, unless they have one (or a developer's)."""
    if not system or any(message.get("role") in ("system", "developer") for message in messages):
        return messages
    return [{"role": "system", "content": system}, *messages]
