"""Reads tool calls from what a model wrote; it knows no tools and judges no arguments.

Three families of format, told apart by their marks:

* Hermes, Qwen, `tiny`: ``<tool_call>{"name": …, "arguments": {…}}</tool_call>``, repeated;
* Mistral: ``[TOOL_CALLS][{"name": …, "arguments": {…}}]`` or ``[TOOL_CALLS]name[ARGS]{…}``;
* Llama 3: the whole answer is ``{"name": …, "parameters": {…}}``, several joined by ``;``.
"""

from __future__ import annotations

import re

from assay.tools.calls import CallError, ParsedAnswer, ToolCall, build_call, decode_json

HERMES_START, HERMES_END = "<tool_call>", "</tool_call>"
MISTRAL_START = "[TOOL_CALLS]"
LLAMA_START = "<|python_tag|>"
REASONING_START, REASONING_END = "<think>", "</think>"

_MISTRAL_NAMED = re.compile(r"\s*([^\s\[\]{}]+)\s*(?:\[CALL_ID\][^\[{]*)?(?:\[ARGS\])?\s*(?=\{)")
# An object that has a call's two keys; a JSON answer may have a name, too, but not both of these.
_LLAMA_LIKE = re.compile(r'\{\s*"(?:type|name|function)"\s*:.*"(?:parameters|arguments)"\s*:', re.S)
_LLAMA_KEYS = {"type", "id", "name", "function", "parameters", "arguments"}
_SHOWN_CHARS = 60


def parse_tool_calls(text: str) -> ParsedAnswer:
    """Content, calls and unreadable calls of an answer; never raises.

    A call cut off before its closing mark counts if its JSON is complete, as in serving engines.
    What cannot be read is listed in `errors` and is part of neither content nor calls.
    """
    reasoning, answer = _split_reasoning(text)
    if HERMES_START in answer:
        parsed = _parse_hermes(answer)
    elif MISTRAL_START in answer:
        parsed = _parse_mistral(answer)
    else:
        parsed = _parse_llama(answer)
    return ParsedAnswer(
        content=parsed.content.strip(),
        tool_calls=parsed.tool_calls,
        errors=parsed.errors,
        reasoning=reasoning.strip(),
    )


def _split_reasoning(text: str) -> tuple[str, str]:
    """Reasoning and the rest; a template may have written the opening mark into the prompt."""
    before, mark, after = text.partition(REASONING_END)
    if mark:
        return before.strip().removeprefix(REASONING_START), after
    if text.lstrip().startswith(REASONING_START):
        return text.lstrip().removeprefix(REASONING_START), ""
    return "", text


def _parse_hermes(text: str) -> ParsedAnswer:
    content: list[str] = []
    calls: list[ToolCall] = []
    errors: list[str] = []
    place = 0
    while (start := text.find(HERMES_START, place)) >= 0:
        content.append(text[place:start])
        inner = start + len(HERMES_START)
        try:
            found, inner = _read_block(text, inner)
            calls += found
        except CallError as error:
            errors.append(_describe(error, text[start:]))
        place = _skip_block(text, inner)
    content.append(text[place:])
    return ParsedAnswer(content="".join(content), tool_calls=calls, errors=errors)


def _read_block(text: str, start: int) -> tuple[list[ToolCall], int]:
    """The calls between two marks: one, or several after one another, or a list of them.

    JSON is decoded before the closing mark is looked for, since a string may spell the mark.
    """
    calls: list[ToolCall] = []
    while True:
        start = _skip_space(text, start)
        if calls and (start == len(text) or text.startswith((HERMES_END, HERMES_START), start)):
            return calls, start
        value, start = decode_json(text, start)
        values = value if isinstance(value, list) else [value]
        calls += [build_call(item) for item in values]


def _skip_block(text: str, place: int) -> int:
    """Past the closing mark; a block without one ends where the next begins, or with the text."""
    end = text.find(HERMES_END, place)
    following = text.find(HERMES_START, place)
    if end >= 0 and (following < 0 or end < following):
        return end + len(HERMES_END)
    return following if following >= 0 else len(text)


def _parse_mistral(text: str) -> ParsedAnswer:
    content, *blocks = text.split(MISTRAL_START)
    calls: list[ToolCall] = []
    errors: list[str] = []
    for block in blocks:
        try:
            calls += _read_mistral_block(block)
        except CallError as error:
            errors.append(_describe(error, MISTRAL_START + block))
    return ParsedAnswer(content=content, tool_calls=calls, errors=errors)


def _read_mistral_block(block: str) -> list[ToolCall]:
    named = _MISTRAL_NAMED.match(block)
    start = named.end() if named else _skip_space(block, 0)
    value, end = decode_json(block, start)
    if block[end:].strip():
        raise CallError("text after the call")
    if named:
        return [build_call({"name": named[1], "arguments": value})]
    return [build_call(item) for item in (value if isinstance(value, list) else [value])]


def _parse_llama(text: str) -> ParsedAnswer:
    before, mark, after = text.partition(LLAMA_START)
    body = (after if mark else text).strip()
    if not mark and not _LLAMA_LIKE.match(body):
        return ParsedAnswer(content=text)
    content = before if mark else ""
    try:
        calls = _read_llama_calls(body)
    except CallError as error:
        return ParsedAnswer(content=content, errors=[_describe(error, body)])
    if calls is None:
        return ParsedAnswer(content=text)
    return ParsedAnswer(content=content, tool_calls=calls)


def _read_llama_calls(body: str) -> list[ToolCall] | None:
    """The calls that `body` is made of; None if it is JSON of another kind."""
    calls: list[ToolCall] = []
    place = 0
    while place < len(body):
        value, place = decode_json(body, place)
        if isinstance(value, dict) and not set(value) <= _LLAMA_KEYS:
            return None
        calls.append(build_call(value))
        place = _skip_space(body, place)
        if body.startswith(";", place):
            place = _skip_space(body, place + 1)
    return calls


def _skip_space(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _describe(error: CallError, text: str) -> str:
    shown = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
    return f"{error} in {shown!r}"
