"""A user's turn and the calls that serve it: which repeat each other, whose results are used."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.data.curate.stems import find_words

# What a user says who wants the same thing more than once, and a result that is none yet.
_SEVERAL = re.compile(r"(?i)twice|\btimes\b|again|repeat|random|\bdice?\b|coin")
_UNSETTLED = re.compile(
    r"(?i)error|fail|time[d -]*out|retry|again|pending|progress|running|queue|unavailable|busy|wait"
    r"|not (ready|found)"
)
_MIN_TOLD_CHARS = 3


@dataclass
class Turn:
    """What follows one turn of the user.

    Attributes:
        tools: names of the tools that it calls.
        repeated: paths of the calls that stand before in it, with the same arguments.
        results: of each call's id its result.
        later: what the assistant says and calls after each result, by the call's id.
    """

    tools: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    results: dict[str, str] = field(default_factory=dict)
    later: dict[str, list[str]] = field(default_factory=dict)

    def repeats(self, path: str) -> bool:
        """Whether the call whose arguments are at `path` was made before, without need."""
        return path in self.repeated

    def uses(self, call: Mapping[str, Any], before: str) -> bool:
        """Whether something later says what this call's result says and `before` does not."""
        result = self.results.get(str(call.get("id")))
        if not result:
            return False
        told = {word for word in find_words(result) if len(word) >= _MIN_TOLD_CHARS}
        later = find_words(" ".join(self.later[str(call.get("id"))]))
        return not told.isdisjoint(word for word in later if word not in before)


def list_turns(messages: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """The turn of each message; a user's message begins a new one."""
    turns: list[Turn] = []
    turn, asked, made = Turn(), "", dict[str, str]()
    for index, message in enumerate(messages):
        if message["role"] == "user":
            turn, asked, made = Turn(), str(message.get("content") or ""), {}
        turns.append(turn)
        if message["role"] == "tool":
            _add_result(turn, message, made)
            continue
        calls = message.get("tool_calls", ())
        spoken = [str(message.get("content") or "")]
        spoken += [call["function"]["arguments"] for call in calls]
        for later in turn.later.values():
            later += spoken
        for place, call in enumerate(calls):
            turn.tools.add(call["function"]["name"])
            key = _spell(call)
            is_meant = key in made and (_SEVERAL.search(asked) or _UNSETTLED.search(made[key]))
            if key in made and not is_meant:
                turn.repeated.add(f"messages[{index}].tool_calls[{place}].function.arguments")
            made[key] = ""
    return turns


def _add_result(turn: Turn, message: Mapping[str, Any], made: dict[str, str]) -> None:
    result = str(message.get("content") or "")
    turn.results[str(message.get("tool_call_id"))] = result
    turn.later[str(message.get("tool_call_id"))] = []
    for key in made:
        made[key] += f" {result}"


def _spell(call: Mapping[str, Any]) -> str:
    """Name and arguments, equal for equal calls."""
    function = call["function"]
    return f"{function['name']} {json.dumps(json.loads(function['arguments']), sort_keys=True)}"
