"""The turns of a tool conversation: requests, the tools on offer, calls and results.

Knows how each is written, and nothing of what a task wants from them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from assay.lab.world.base import Split
from assay.lab.world.tool_invented import Request
from assay.lab.world.tool_requests import FULL, SHORT
from assay.lab.world.tool_schemas import TOOLS, Param, Schema, Value, draw_invented

Message = dict[str, Any]
_NAMES = list(TOOLS)
_NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_BOOLEAN_WORDS: dict[str, tuple[str, str]] = {
    # parameter: (words for true, words for false)
    "urgent": ("It is urgent", "It is not urgent"),
    "outside": ("outside", "inside"),
    "on": ("on", "off"),
    "gift": ("as a gift", "not as a gift"),
}
_WORDED = ("people", "quantity", "limit", "minutes")


def draw_args(rng: random.Random, split: Split, params: Sequence[Param]) -> dict[str, Value]:
    """A value for each parameter; two parameters of one kind get different values."""
    args: dict[str, Value] = {}
    for param in params:
        value = param.draw(rng, split)
        while param.type == "string" and value in args.values():
            value = param.draw(rng, split)
        args[param.name] = value
    return args


def _spoken(name: str, value: Value) -> str:
    """A value in the words of a request, such as ``off`` for a light's ``on: false``."""
    if isinstance(value, bool):
        return _BOOLEAN_WORDS[name][0 if value else 1]
    return str(value)


def _say(rng: random.Random, name: str, value: Value) -> str:
    if name in _WORDED and isinstance(value, int) and value <= 12 and rng.random() < 0.25:
        return _NUMBER_WORDS[value]
    return _spoken(name, value)


def draw_request(rng: random.Random, split: Split, name: str, *, full: bool = False) -> Request:
    """A request for the fixed tool `name`, with its optional parameters if `full`."""
    tool = TOOLS[name]
    full = full and name in FULL
    args = draw_args(rng, split, tool.params if full else tool.required)
    words = {key: _say(rng, key, value) for key, value in args.items()}
    text = (FULL if full else SHORT)[name].draw(rng, split).format(**words)
    return Request(text, tool.draw_schema(rng, split), args, name)


def offer(
    rng: random.Random,
    split: Split,
    wanted: Sequence[Schema],
    num_others: int,
    *,
    avoid: Sequence[str] = (),
) -> list[Schema]:
    """The wanted tools among others, in random order; four times in ten some are invented."""
    offered = list(wanted)
    invented_share = 0.6 if rng.random() < 0.4 else 0.0
    others = [name for name in rng.sample(_NAMES, num_others + len(avoid)) if name not in avoid]
    taken = {*avoid, *(schema["function"]["name"] for schema in wanted)}
    for name in others[:num_others]:
        schema = TOOLS[name].draw_schema(rng, split)
        if rng.random() < invented_share:
            invented = draw_invented(rng, split)
            schema = schema if invented.spec.name in taken else invented.schema
        taken.add(schema["function"]["name"])
        offered.append(schema)
    rng.shuffle(offered)
    return offered


def call_message(*requests: Request, first_id: int = 1) -> Message:
    """The assistant's turn that makes these calls, with ids ``call_1``, ``call_2``."""
    calls = [
        {
            "id": f"call_{first_id + i}",
            "type": "function",
            "function": {
                "name": request.name,
                "arguments": json.dumps(request.args, ensure_ascii=False),
            },
        }
        for i, request in enumerate(requests)
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result_message(request: Request, result: dict[str, Value], *, call_id: int = 1) -> Message:
    """The result of one call, as JSON text."""
    return {
        "role": "tool",
        "tool_call_id": f"call_{call_id}",
        "name": request.name,
        "content": json.dumps(result, ensure_ascii=False),
    }
