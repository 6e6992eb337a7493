"""Reads ShareGPT `conversations` into OpenAI's message shape; renders nothing.

ShareGPT has no call ids: observations answer the calls before them, in order. In the manner of
Hermes, calls and results may also stand as <tool_call> and <tool_response> within the text.
"""

from __future__ import annotations

import json
import re
from typing import Any

from assay.data.chat_rows import read_messages
from assay.data.json_text import parse_json
from assay.data.records import Message, RowCheck, describe, describe_type
from assay.tools import parse_tool_calls

SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "assistant": "assistant",
    "system": "system",
    "function_call": "call",
    "observation": "tool",
    "function_response": "tool",
    "tool": "tool",
}
SPEAKER_LIST = "human, gpt, system, function_call, observation, tool"
_CALL_MARK = "<tool_call>"
_RESPONSE = re.compile(r"<tool_response>\s*(.*?)\s*</tool_response>", re.S)


def read_conversations(value: Any, check: RowCheck, *, key: str = "conversations") -> list[Message]:
    """Messages of one conversation; problems go to `check` under `conversations[i]`.

    An answer that a call follows directly becomes one message with content and call, and so do
    calls that follow one another, since that is one turn of the model; a call's `value` is one
    object or a list of parallel ones. Text with <tool_call> marks is calls where a tool's turn
    follows, and remains text elsewhere.
    """
    if not isinstance(value, list):
        check.refuse(key, describe_type(value), "a list of turns")
        return []
    turns = [_read_turn(turn, check, f"{key}[{index}]") for index, turn in enumerate(value)]
    if not all(turns):
        return []
    before = len(check.problems)
    messages = _join_turns([turn for turn in turns if turn], check, key)
    return read_messages(messages, check, key=key) if len(check.problems) == before else []


def _read_turn(turn: Any, check: RowCheck, key: str) -> Message | None:
    """A turn as role, content and weight, where the role may still be `call`."""
    if not isinstance(turn, dict):
        check.refuse(key, describe_type(turn), '{"from": …, "value": …}')
        return None
    speaker = turn.get("from", turn.get("role"))
    role = SPEAKERS.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        got = "no speaker (from)" if speaker is None else f"unknown speaker {describe(speaker)}"
        check.refuse(f"{key}.from", got, SPEAKER_LIST, "name who says this turn")
        return None
    text = turn.get("value", turn.get("content"))
    if not isinstance(text, str):
        got = "no value" if text is None else describe_type(text)
        check.refuse(f"{key}.value", got, "text")
        return None
    weight = {"weight": turn["weight"]} if turn.get("weight") is not None else {}
    return {"role": role, "content": text, **weight}


def _join_turns(turns: list[Message], check: RowCheck, key: str) -> list[Message]:
    messages: list[Message] = []
    waiting: list[str] = []
    calls = 0
    turns = [_split_call(turns, index, check, key) for index in range(len(turns))]
    for index, turn in enumerate(turns):
        place = f"{key}[{index}].value"
        before = turns[index - 1]["role"] if index else ""
        if turn["role"] == "call":
            in_text = "calls" in turn
            found = turn["calls"] if in_text else _parse_calls(turn["content"], check, place)
            new = [f"call_{calls + n}" for n in range(1, len(found) + 1)]
            waiting = [*waiting, *new] if before == "call" else new
            calls += len(found)
            named = [{"id": one, **call} for one, call in zip(new, found, strict=True)]
            said = messages.pop() if before in ("assistant", "call") else {}
            messages.append(_call_message(turn, said, named))
        elif turn["role"] == "tool":
            if not waiting:
                check.refuse(
                    place,
                    "a tool result without a call before it",
                    "an observation after a function_call",
                    "add the call, or remove the result",
                )
            messages += _answer_calls(turn["content"], waiting)
        else:
            waiting = []
            messages.append(turn)
    return messages


def _split_call(turns: list[Message], index: int, check: RowCheck, key: str) -> Message:
    """The turn; as a `call` with its `calls` where a tool answers calls that its text spells."""
    turn, after = turns[index], turns[index + 1 : index + 2]
    answered = bool(after) and after[0]["role"] == "tool"
    if not answered or turn["role"] != "assistant" or _CALL_MARK not in turn["content"]:
        return turn
    parsed = parse_tool_calls(turn["content"])
    for error in parsed.errors:
        check.refuse(f"{key}[{index}].value", error, '<tool_call>{"name": …, "arguments": {…}}')
    calls = [
        {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in parsed.tool_calls
    ]
    thought = f"<think>\n{parsed.reasoning}\n</think>\n\n" if parsed.reasoning else ""
    said = (thought + parsed.content).strip()
    return {**turn, "role": "call", "content": said, "calls": calls}


def _call_message(turn: Message, said: Message, calls: list[dict[str, Any]]) -> Message:
    """One assistant message of a call, and of the answer or calls that it follows directly."""
    content = [said.get("content"), turn["content"] if "calls" in turn else None]
    return {
        "role": "assistant",
        "content": "\n".join(text for text in content if text) or None,
        "tool_calls": [*said.get("tool_calls", []), *calls],
        "weight": turn.get("weight", said.get("weight")),
    }


def _parse_calls(text: str, check: RowCheck, key: str) -> list[dict[str, Any]]:
    try:
        value = parse_json(text)
    except ValueError as error:
        check.refuse(key, f"a call that is not JSON ({error})", '{"name": …, "arguments": {…}}')
        return []
    calls = value if isinstance(value, list) else [value]
    if not calls or not all(isinstance(call, dict) for call in calls):
        check.refuse(key, describe(value), '{"name": …, "arguments": {…}}, or a list of such')
        return []
    return [_openai_call(call) for call in calls]


def _openai_call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function", call)
    if not isinstance(function, dict):
        return {"type": "function", "function": {}}
    arguments = function.get("arguments", function.get("parameters"))
    return {"type": "function", "function": {"name": function.get("name"), "arguments": arguments}}


def _answer_calls(text: str, waiting: list[str]) -> list[Message]:
    """One result for each waiting call where `text` holds as many; else for the next call."""
    marked = [] if _RESPONSE.sub("", text).strip() else _RESPONSE.findall(text)
    results = marked or (_read_items(text) if len(waiting) > 1 else [text])
    if len(results) == len(waiting):
        answers = [_answer(one, call) for one, call in zip(results, waiting, strict=True)]
        del waiting[:-1]
        return answers
    identity = waiting.pop(0) if len(waiting) > 1 else waiting[0] if waiting else ""
    return [_answer(marked[0] if len(marked) == 1 else text, identity)]


def _read_items(text: str) -> list[str]:
    """The items of a JSON list as text; none where `text` is something else."""
    try:
        items = parse_json(text)
    except ValueError:
        return []
    return [_as_text(item) for item in items] if isinstance(items, list) else []


def _answer(text: str, identity: str) -> Message:
    return {"role": "tool", "content": text, "tool_call_id": identity}


def _as_text(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
