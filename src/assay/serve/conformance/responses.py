"""Check 42: responses."""

from __future__ import annotations

import json
from typing import Any

from assay.serve.conformance.chat import QUESTION
from assay.serve.conformance.check import check, expect, expect_equal
from assay.serve.conformance.session import Session
from assay.serve.conformance.tools import WEATHER

_ENDS = ("response.completed", "response.incomplete", "response.failed")
_KINDS = {"message", "function_call", "reasoning"}


@check(42, "responses have items, usage in full, and streams in order")
def check_responses(session: Session) -> None:
    options: dict[str, Any] = {
        "model": session.target.model,
        "input": QUESTION,
        "temperature": 0,
        "max_output_tokens": 24,
    }
    client = session.client()
    found = client.responses.create(**options)
    _expect_whole(found)
    expect(found.output_text, "The response has no text.")
    _check_stream(client, options, found.output_text)
    tool = {"type": "function", "strict": True, **WEATHER["function"]}
    asked = {**options, "tools": [tool], "tool_choice": "required", "max_output_tokens": 96}
    called = client.responses.create(**asked)
    _expect_whole(called)
    calls = [item for item in called.output if item.type == "function_call"]
    expect(calls, "No function is called.")
    expect_equal(calls[0].name, "get_weather", "The function's name")
    expect(isinstance(json.loads(calls[0].arguments), dict), "arguments is no JSON object.")
    expect(calls[0].call_id, "The call has no call_id.")


def _expect_whole(found: Any) -> None:
    expect_equal(found.object, "response", "The object")
    expect(found.status in ("completed", "incomplete"), f"The response is {found.status}.")
    odd = {item.type for item in found.output} - _KINDS
    expect(found.output and not odd, f"The items are {', '.join(odd) or 'missing'}.")
    usage = found.usage
    expect_equal(usage.total_tokens, usage.input_tokens + usage.output_tokens, "total_tokens")
    told = usage.model_dump()
    for name, inner in (
        ("input_tokens_details", ("cached_tokens", "cache_write_tokens")),
        ("output_tokens_details", ("reasoning_tokens",)),
    ):
        missing = [one for one in inner if not isinstance((told.get(name) or {}).get(one), int)]
        expect(not missing, f"usage.{name} lacks {', '.join(missing)}.")


def _check_stream(client: Any, options: dict[str, Any], text: str) -> None:
    events = list(client.responses.create(**options, stream=True))
    expect_equal(events[0].type, "response.created", "The first event")
    expect(events[-1].type in _ENDS, f"The last event is {events[-1].type}.")
    numbers = [event.sequence_number for event in events]
    expect(numbers == sorted(set(numbers)), "sequence_number does not grow.")
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    expect_equal("".join(pieces), text, "The text of the pieces")
    with client.responses.stream(**options) as stream:
        for _ in stream:
            pass
        expect_equal(stream.get_final_response().output_text, text, "The helper's text")
