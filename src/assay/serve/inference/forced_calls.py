"""Grammars of answers that must call a tool, in the form in which a template writes calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.chat import ChatTokenizer, Tool, render_text
from assay.errors import DataError, Problem, UsageError
from assay.tools.parse import HERMES_START, LLAMA_START, MISTRAL_START

_NAME, _KEY, _VALUE = "assay_tool", "assay_key", "assay_value"
_USER = {"role": "user", "content": "."}
_OBJECT = {"type": "object"}


@dataclass(frozen=True)
class CallForm:
    """How a call is written: what stands before and after its JSON, and the JSON's own spelling."""

    before: str
    after: str
    arguments_key: str
    item_separator: str
    key_separator: str


def find_call_form(tokenizer: ChatTokenizer) -> CallForm:
    """The form in which the template writes an assistant's call.

    Raises:
        UsageError: the template writes none that can be read again.
    """
    arguments = {_KEY: _VALUE, "other": 1}
    call = {
        "id": "callassay",
        "type": "function",
        "function": {"name": _NAME, "arguments": arguments},
    }
    tool = {"type": "function", "function": {"name": _NAME, "parameters": _OBJECT}}
    answer = {"role": "assistant", "content": "", "tool_calls": [call]}
    try:
        prompt = render_text(tokenizer, [_USER], tools=[tool], add_generation_prompt=True)
        text = render_text(tokenizer, [_USER, answer], tools=[tool])
    except DataError:
        raise _no_form() from None
    written = text[len(prompt) :] if text.startswith(prompt) else text
    start = written.find('{"name"')
    if start < 0 or _VALUE not in written:
        raise _no_form()
    value, length = json.JSONDecoder().raw_decode(written[start:])
    before, after = written[:start], written[start + length :]
    for stop in tokenizer.eos_texts:
        after = after.partition(stop)[0]
    key = next((name for name in ("arguments", "parameters") if name in value), "")
    marks = (HERMES_START, MISTRAL_START, LLAMA_START)
    if not key or (before.strip() and not before.strip().startswith(marks)):
        raise _no_form()
    shown = written[start : start + length]
    return CallForm(
        before,
        after.rstrip("\n"),
        key,
        ", " if '", "' in shown or ', "' in shown else ",",
        ": " if f'"{_KEY}": ' in shown else ":",
    )


def build_call_grammar(
    tokenizer: ChatTokenizer,
    tools: Sequence[Tool],
    *,
    form: CallForm,
    many: bool,
    may_write: bool = False,
    other: Mapping[str, Any] | None = None,
) -> str:
    """A grammar, in llguidance's Lark, of one call, or with `many` of one or more.

    Args:
        tokenizer: the base's; marks that are tokens of their own are named by id.
        tools: those that may be called, with their arguments' schemas.
        form: that of `find_call_form`.
        many: whether several calls may follow one another; forms without an end mark have one.
        may_write: text before the calls is allowed, and no call at all.
        other: the JSON schema of an answer that is allowed in place of calls.
    """
    calls = "call+" if many and form.after.strip() else "call"
    start = calls
    if other is not None:
        start = f"{calls} | other"
    elif may_write:
        start = f"TEXT {calls.removesuffix('+')}*" if many else "TEXT call?"
    names = [f"obj_{place}" for place in range(len(tools))]
    rules = [
        f"start: {start}",
        f"call: {_spell(tokenizer, form.before)} ({' | '.join(names)})"
        f" {_spell(tokenizer, form.after)}",
    ]
    rules += [
        f"{name}: %json {json.dumps(_describe_call(tool, form))}"
        for name, tool in zip(names, tools, strict=True)
    ]
    if other is not None:
        rules.append(f"other: %json {json.dumps(other)}")
    elif may_write:
        rules.append(f"TEXT: {_exclude(form.before.strip())}")
    return "\n".join(rules) + "\n"


def _describe_call(tool: Tool, form: CallForm) -> dict[str, Any]:
    function = tool["function"]
    arguments = dict(function.get("parameters") or _OBJECT)
    # References begin at the root, where the definitions must therefore stand.
    moved = {key: arguments.pop(key) for key in ("$defs", "definitions") if key in arguments}
    return {
        "type": "object",
        "properties": {"name": {"const": function["name"]}, form.arguments_key: arguments},
        "required": ["name", form.arguments_key],
        "additionalProperties": False,
        **moved,
        "x-guidance": {
            "whitespace_flexible": False,
            "item_separator": form.item_separator,
            "key_separator": form.key_separator,
        },
    }


def _spell(tokenizer: ChatTokenizer, text: str) -> str:
    """`text` in Lark; the grammar's library knows added tokens by their ids alone."""
    parts: list[str] = []
    plain: list[int] = []
    for token_id in tokenizer.encode(text):
        if token_id in tokenizer.added_ids:
            parts += [json.dumps(tokenizer.decode(plain))] if plain else []
            parts.append(f"<[{token_id}]>")
            plain = []
        else:
            plain.append(token_id)
    parts += [json.dumps(tokenizer.decode(plain))] if plain else []
    return " ".join(parts)


def _exclude(mark: str) -> str:
    """A pattern of any text without `mark`."""
    if not mark:
        return r"/[^{](.|\n)*/"
    quoted = "".join(f"\\{c}" if not c.isalnum() and c not in "_<>" else c for c in mark)
    return rf"/(.|\n)*/ & ~/(.|\n)*{quoted}(.|\n)*/"


def _no_form() -> UsageError:
    problem = Problem(
        key="tool_choice",
        got="a base whose template writes calls in no form that can be asked for",
        allowed="none, or auto with tools that are not strict",
        do="leave tool_choice out, or serve a base whose template writes calls as JSON",
    )
    return UsageError(problem)
