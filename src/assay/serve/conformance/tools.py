"""Check 39: calls of tools in chat completions."""

from __future__ import annotations

import json
from typing import Any

from assay.serve.conformance.check import check, expect, expect_equal
from assay.serve.conformance.session import Session


def _build_tool(name: str, argument: str) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string", "maxLength": 20}},
        "required": [argument],
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "function": {"name": name, "description": f"Takes a {argument}.", "parameters": parameters},
    }


WEATHER, CLOCK = _build_tool("get_weather", "city"), _build_tool("get_time", "zone")


@check(39, "tools are called as asked, whole and streamed; arguments are a JSON string")
def check_tools(session: Session) -> None:
    text, tools = "What is the weather in Oslo?", [WEATHER, CLOCK]
    named = {"type": "function", "function": {"name": "get_time"}}
    for choice, wanted in (("required", None), (named, "get_time")):
        found = session.ask(text, tools=tools, tool_choice=choice, max_completion_tokens=96)
        _expect_calls(found.choices[0], wanted)
    plain = session.ask(text, tools=tools, tool_choice="none").choices[0]
    expect(not plain.message.tool_calls, "tool_choice none still calls.")
    free = session.ask(text, tools=tools, tool_choice="auto", max_completion_tokens=96).choices[0]
    if free.message.tool_calls:
        _expect_calls(free, None)
    single = {"tools": tools, "tool_choice": "required", "parallel_tool_calls": False}
    found = session.ask(text, max_completion_tokens=96, **single).choices[0]
    expect_equal(len(found.message.tool_calls), 1, "The number of calls that are not parallel")
    _check_streamed_calls(session, text, single)


def _expect_calls(choice: Any, name: str | None) -> None:
    calls = choice.message.tool_calls
    expect(calls, "No tool is called.")
    for call in calls:
        expect(call.id and call.type == "function", "A call lacks id or type.")
        expect(isinstance(call.function.arguments, str), "arguments is no string.")
        expect(isinstance(json.loads(call.function.arguments), dict), "arguments is no object.")
    if name is not None:
        expect_equal({call.function.name for call in calls}, {name}, "The named tool")
    else:
        expect_equal(choice.finish_reason, "tool_calls", "finish_reason with calls")


def _check_streamed_calls(session: Session, text: str, options: dict[str, Any]) -> None:
    begun = set()
    for chunk in session.ask(text, stream=True, max_completion_tokens=96, **options):
        for entry in chunk.choices[0].delta.tool_calls or ():
            expect(isinstance(entry.index, int), "A streamed call has no index.")
            is_first = entry.index not in begun
            begun.add(entry.index)
            is_named = bool(entry.id or entry.function.name)
            expect(is_named == is_first, "id and name stand elsewhere than in the first piece.")
    expect(begun, "No call was streamed.")
    strict = [{**one, "function": {**one["function"], "strict": True}} for one in options["tools"]]
    with session.client().chat.completions.stream(
        model=session.target.model,
        messages=[{"role": "user", "content": text}],
        temperature=0,
        max_completion_tokens=96,
        **{**options, "tools": strict},
    ) as stream:
        _expect_calls(stream.get_final_completion().choices[0], None)
