"""Plants extra calls that look apt: repeats, and tools that are called rightly elsewhere.

`repeat_same` and `call_in_use` can be told from other rows. `call_related` cannot: the tool is one
of those that its row offers for the same subject, and hardly another row shows what it is for. It
is measured apart, for what it is worth to know how many are missed.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

Row = dict[str, Any]
MIN_CALLED = 10


def iterate_calls(row: Row) -> Iterator[Row]:
    """The calls of a row, in order."""
    for message in row["messages"]:
        yield from message.get("tool_calls") or ()


def repeat_same(row: Row, rng: random.Random) -> bool:
    """The first call once more, right after itself."""
    calls = _calls_of(row)
    again = next(iter(calls))
    calls.insert(1, {**again, "id": "x_again"})
    return True


def call_related(row: Row, rng: random.Random) -> bool:
    """Another tool that the row offers and does not call, with words of the user's."""
    called = {one["function"]["name"] for one in iterate_calls(row)}
    free = [one for one in row.get("tools") or () if one["function"]["name"] not in called]
    if not free:
        return False
    _calls_of(row).append(_fill(rng.choice(free), row))
    return True


class InUse:
    """Another tool that rows of the set call rightly, offered and called with the user's words."""

    def __init__(self, rows: Sequence[Row]) -> None:
        counts = Counter(one["function"]["name"] for row in rows for one in iterate_calls(row))
        known = {one["function"]["name"]: one for row in rows for one in row.get("tools") or ()}
        self._tools = [known[name] for name, count in counts.items() if count >= MIN_CALLED]

    def __call__(self, row: Row, rng: random.Random) -> bool:
        called = {one["function"]["name"] for one in iterate_calls(row)}
        tool = rng.choice([one for one in self._tools if one["function"]["name"] not in called])
        offered = {one["function"]["name"] for one in row.get("tools") or ()}
        if tool["function"]["name"] not in offered:
            row["tools"] = [*(row.get("tools") or ()), tool]
        _calls_of(row).append(_fill(tool, row))
        return True


def _calls_of(row: Row) -> list[Row]:
    calls: list[Row] = next(one["tool_calls"] for one in row["messages"] if one.get("tool_calls"))
    return calls


def _fill(tool: Row, row: Row) -> Row:
    """A call of a tool, whose texts are the longest word that the user said."""
    asked = next(one["content"] for one in reversed(row["messages"]) if one["role"] == "user")
    word = max(asked.split(), key=len).strip(".,?!'\"")
    schema = tool["function"].get("parameters") or {}
    kinds = schema.get("properties") or {}
    needed = schema.get("required") or list(kinds)
    given = {name: _draw(kinds.get(name) or {}, word) for name in needed}
    function = {"name": tool["function"]["name"], "arguments": json.dumps(given)}
    return {"id": "x_extra", "type": "function", "function": function}


def _draw(schema: Row, word: str) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    kinds = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}
    return kinds.get(str(schema.get("type")), word)
