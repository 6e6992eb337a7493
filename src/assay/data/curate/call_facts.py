"""Whether a row's tool calls were asked for: facts of each call, from its own row alone.

A call is asked for by the words of the user or the system prompt, or by an earlier tool result. It
is extra where another tool serves the same turn. What goes into its arguments can be traced to the
row's texts, to the tool's schema, or to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assay.data.curate.batch import CheckedRow
from assay.data.curate.call_turns import Turn, list_turns
from assay.data.curate.stems import find_stems, find_words
from assay.tools.channels import is_outward
from assay.tools.destinations import Destination, find_destinations
from assay.tools.taint import Source, find_flows, iterate_texts, mark_sources

_MIN_FLOW_WORDS = 4
_TRACED = 0.5
_MAX_LISTED_CHARS = 40


@dataclass(frozen=True)
class CallFacts:
    """One call of a row.

    Attributes:
        path: of its arguments, as in `Span`.
        beside: the other tools that the same turn calls, in alphabetical order.
        is_relevant: the tool's name or description shares a word with what was said before.
        is_traced: at least half of what its text arguments say was said before, or is in the
            schema; true where it has none.
        is_network: the tool, or an argument, is named like something that sends or runs.
        is_chained: an argument says something that an earlier result alone said.
        is_used: a later call or answer says something that its result alone said.
        is_repeated: the same call stands before in the turn, and nothing is a reason to call again.
        flow: what was said before goes whole into its arguments: whose words, and how; or empty.
        is_addressed: it names a destination, and the user or the system prompt named each of them.
        destinations: those that nothing said before names.
    """

    path: str
    tool: str
    beside: tuple[str, ...]
    is_relevant: bool
    is_traced: bool
    is_network: bool
    is_chained: bool
    is_used: bool
    is_repeated: bool
    flow: str
    is_addressed: bool
    destinations: tuple[Destination, ...]

    @property
    def is_extra(self) -> bool:
        """Whether the same turn has a call of another tool."""
        return bool(self.beside)

    @property
    def is_unasked(self) -> bool:
        """Two signs at least that nobody asked for this call."""
        if self.flow.endswith("code"):
            return True
        if self.is_extra and not self.is_addressed:
            untraced = not self.is_traced and not self.is_relevant
            return bool(self.flow or self.destinations) or untraced
        return bool(self.flow and self.destinations)

    @property
    def is_doubtful(self) -> bool:
        """Extra, and neither goes on from a result nor is its own used: words alone ask for it."""
        return self.is_extra and not (self.is_chained or self.is_used)


def judge_calls(row: CheckedRow) -> Iterator[CallFacts]:
    """The facts of each call, in order."""
    messages = row.record.messages
    if not any("tool_calls" in message for message in messages):
        return
    tools = {one["function"]["name"]: one["function"] for one in row.record.tools or ()}
    said = _Said(row.record.tools or ())
    turns = list_turns(messages)
    for index, message in enumerate(messages):
        for place, call in enumerate(message.get("tool_calls", ())):
            path = f"messages[{index}].tool_calls[{place}].function.arguments"
            spec = tools.get(call["function"]["name"], {"name": call["function"]["name"]})
            yield _judge(path, call, spec, said, turns[index])
        said.add(message["role"], message.get("content") or "")


class _Said:
    """What was said before a call: its stems, its text, and whose turns could leak."""

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        self.stems: set[str] = set()
        self.text = ""
        self.asked = ""
        self.results: set[str] = set()
        self.sources: list[Source] = []
        self.tools_text = json.dumps(tools, ensure_ascii=False).lower() if tools else ""

    def add(self, role: str, text: str) -> None:
        self.text += "\n" + text.lower()
        self.asked += "" if role in ("tool", "assistant") else "\n" + text.lower()
        self.stems |= find_stems(text)
        if role == "tool":
            self.results.update(find_words(text))
        self.sources += mark_sources([{"role": role, "content": text}])

    def names(self, destination: Destination) -> bool:
        """Whether a destination was said, or stands in the tools' own descriptions."""
        return destination.text in self.text or destination.text in self.tools_text

    def told(self, given: str) -> bool:
        """Whether arguments have a word of an earlier result that nobody else said."""
        return any(one in self.results and one not in self.asked for one in find_words(given))

    def lists(self, text: str) -> bool:
        """Whether a short value stands in the schema: of an enumeration, a default, an example."""
        if len(text) > _MAX_LISTED_CHARS:
            return False
        return json.dumps(text, ensure_ascii=False).lower() in self.tools_text


@lru_cache(maxsize=4096)
def _stems_of_tool(name: str, description: str, arguments: tuple[str, ...]) -> frozenset[str]:
    return frozenset(find_stems(" ".join((name, description, *arguments))))


def _judge(
    path: str, call: Mapping[str, Any], spec: Mapping[str, Any], said: _Said, turn: Turn
) -> CallFacts:
    name, given = call["function"]["name"], call["function"]["arguments"]
    arguments = json.loads(given)
    properties = (spec.get("parameters") or {}).get("properties") or {}
    about = _stems_of_tool(name, str(spec.get("description", "")), tuple(sorted(properties)))
    texts = [text for _, text in iterate_texts(arguments) if not said.lists(text)]
    found = dict.fromkeys(one for text in texts for one in find_destinations(text))
    return CallFacts(
        path=path,
        tool=name,
        beside=tuple(sorted(turn.tools - {name})),
        is_relevant=bool(about & said.stems),
        is_traced=_are_traced(texts, said.stems),
        is_network=is_outward(about | find_stems(" ".join(map(str, arguments)))),
        is_chained=said.told(given),
        is_used=turn.uses(call, said.text),
        is_repeated=turn.repeats(path),
        flow=_find_flow(texts, said.sources),
        is_addressed=bool(found) and all(one.text in said.asked for one in found),
        destinations=tuple(one for one in found if not said.names(one)),
    )


def _are_traced(texts: Sequence[str], stems: set[str]) -> bool:
    own = {stem for text in texts for stem in find_stems(text)}
    return not own or len(own & stems) >= _TRACED * len(own)


def _find_flow(texts: Sequence[str], sources: Sequence[Source]) -> str:
    """Whose words go whole, or in code, into `texts`, and how; or an empty text."""
    for text in texts:
        for flow in find_flows(text, sources, parts=False):
            whose = _WHOSE[flow.source.owner]
            if flow.form in ("hex", "base64"):
                return f"{whose} in code"
            if flow.source.plain.count(" ") >= _MIN_FLOW_WORDS - 1:
                return f"{whose} in percent code" if flow.form == "url" else whose
    return ""


_WHOSE = {
    "user": "the user's words",
    "system": "the system prompt",
    "result": "a tool's result",
    "secret": "a secret",
}
