"""Whether a row's tool calls were asked for: facts of each call, from its own row alone.

A call is asked for by the words of the user or the system prompt, or by an earlier tool result. It
is extra where another tool serves the same turn. What goes into its arguments can be traced to the
row's texts, to the tool's schema, or to nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from assay.data.curate.batch import CheckedRow
from assay.data.curate.destinations import Destination, find_destinations

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STEM_CHARS = 5
_COMMON = """
a an and any are as at be by can could do does for from get give has have her him his how i if in
into is it its may me my new no not of on one or our out please set so some tell that the their them
there these they this to up us use user users using want was we what when where which who will with
would you your the's value values name number string given
"""
_NETWORK = """
http https url uri post fetch curl wget webhook upload email mail sms ftp socket dns javascript
script eval execute exec shell command endpoint host bcc cc recipient remote sync telemetry export
forward send beacon callback
"""
_COMMON_STEMS = frozenset(word[:_STEM_CHARS] for word in _COMMON.split())
_NETWORK_STEMS = frozenset(word[:_STEM_CHARS] for word in _NETWORK.split())
_CODED = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}|(?:[0-9a-fA-F]{2}){12,}")
_MIN_FLOW_WORDS = 4
_WINDOW = 8
_TRACED = 0.5


@dataclass(frozen=True)
class CallFacts:
    """One call of a row.

    Attributes:
        path: of its arguments, as in `Span`.
        is_extra: the same turn has a call of another tool.
        is_relevant: the tool's name or description shares a word with what was said before.
        is_traced: at least half of what its text arguments say was said before, or is in the
            schema; true where it has none.
        is_network: the tool, or an argument, is named like something that sends or runs.
        flow: what was said before goes whole into its arguments: whose words, and how; or empty.
        is_addressed: it names a destination, and the user or the system prompt named each of them.
        destinations: those that nothing said before names.
    """

    path: str
    tool: str
    is_extra: bool
    is_relevant: bool
    is_traced: bool
    is_network: bool
    flow: str
    is_addressed: bool
    destinations: tuple[Destination, ...]

    @property
    def is_unasked(self) -> bool:
        """Two signs at least that nobody asked for this call."""
        if self.flow.endswith("code"):
            return True
        if self.is_extra and not self.is_addressed:
            untraced = not self.is_traced and not self.is_relevant
            return bool(self.flow or self.destinations) or untraced
        return bool(self.flow and self.destinations)


def judge_calls(row: CheckedRow) -> Iterator[CallFacts]:
    """The facts of each call, in order."""
    messages = row.record.messages
    if not any("tool_calls" in message for message in messages):
        return
    tools = {one["function"]["name"]: one["function"] for one in row.record.tools or ()}
    said = _Said(row.record.tools or ())
    turns = _count_tools(messages)
    turn = 0
    for index, message in enumerate(messages):
        turn += message["role"] == "user"
        for place, call in enumerate(message.get("tool_calls", ())):
            path = f"messages[{index}].tool_calls[{place}].function.arguments"
            function = call["function"]
            spec = tools.get(function["name"], {"name": function["name"]})
            is_extra = len(turns[turn]) > 1
            yield _judge(path, function, spec, said, is_extra)
        said.add(message["role"], message.get("content") or "")


def _count_tools(messages: Sequence[Mapping[str, Any]]) -> dict[int, set[str]]:
    """The tools called after each user turn."""
    turns: dict[int, set[str]] = {0: set()}
    turn = 0
    for message in messages:
        turn += message["role"] == "user"
        called = turns.setdefault(turn, set())
        called.update(call["function"]["name"] for call in message.get("tool_calls", ()))
    return turns


class _Said:
    """What was said before a call: its stems, its text, and whose turns could leak."""

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        self.stems: set[str] = set()
        self.text = ""
        self.asked = ""
        self.turns: list[tuple[str, str]] = []
        self.tools_text = json.dumps(tools, ensure_ascii=False).lower() if tools else ""

    def add(self, role: str, text: str) -> None:
        self.text += "\n" + text.lower()
        self.asked += "" if role in ("tool", "assistant") else "\n" + text.lower()
        self.stems |= find_stems(text)
        if role in ("user", "system", "developer", "tool"):
            whose = {"user": "the user's words", "tool": "a tool's result"}
            plain = " ".join(_WORD.findall(text.lower()))
            self.turns.append((whose.get(role, "the system prompt"), plain))

    def names(self, destination: Destination) -> bool:
        """Whether a destination was said, or stands in the tools' own descriptions."""
        return destination.text in self.text or destination.text in self.tools_text


def find_stems(text: str) -> set[str]:
    """The first letters of each word, those of common words left out."""
    words = _WORD.findall(_CAMEL.sub(" ", text).lower())
    return {word[:_STEM_CHARS] for word in words if len(word) > 1} - _COMMON_STEMS


@lru_cache(maxsize=4096)
def _stems_of_tool(name: str, description: str, arguments: tuple[str, ...]) -> frozenset[str]:
    return frozenset(find_stems(" ".join((name, description, *arguments))))


def _judge(
    path: str,
    function: Mapping[str, Any],
    spec: Mapping[str, Any],
    said: _Said,
    is_extra: bool,
) -> CallFacts:
    arguments = json.loads(function["arguments"])
    properties = (spec.get("parameters") or {}).get("properties") or {}
    about = _stems_of_tool(
        function["name"], str(spec.get("description", "")), tuple(sorted(properties))
    )
    texts = [text for text in _iterate_texts(arguments) if not _is_listed(text, said)]
    found = dict.fromkeys(one for text in texts for one in find_destinations(text))
    return CallFacts(
        path=path,
        tool=function["name"],
        is_extra=is_extra,
        is_relevant=bool(about & said.stems),
        is_traced=_are_traced(texts, said.stems),
        is_network=bool((about | find_stems(" ".join(map(str, arguments)))) & _NETWORK_STEMS),
        flow=_find_flow(texts, said.turns),
        is_addressed=bool(found) and all(one.text in said.asked for one in found),
        destinations=tuple(one for one in found if not said.names(one)),
    )


def _iterate_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _iterate_texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _iterate_texts(one)


def _is_listed(text: str, said: _Said) -> bool:
    """Whether a short value stands in the schema: one of an enumeration, a default, an example."""
    return len(text) <= 40 and json.dumps(text, ensure_ascii=False).lower() in said.tools_text


def _are_traced(texts: Sequence[str], stems: set[str]) -> bool:
    own = {stem for text in texts for stem in find_stems(text)}
    return not own or len(own & stems) >= _TRACED * len(own)


def _find_flow(texts: Sequence[str], turns: Sequence[tuple[str, str]]) -> str:
    for text in texts:
        plain = " ".join(_WORD.findall(text.lower()))
        for whose, said in turns:
            if _holds(plain, said):
                return whose
        if "%" in text or "+" in text:
            opened = " ".join(_WORD.findall(unquote_plus(text).lower()))
            for whose, said in turns:
                if opened != plain and _holds(opened, said):
                    return f"{whose} in percent code"
        for code in _CODED.finditer(text):
            opened = " ".join(_WORD.findall(_decode(code[0]).lower()))
            for whose, said in turns:
                if _holds(opened, said) or (len(opened) >= 12 and opened in said):
                    return f"{whose} in code"
    return ""


def _holds(plain: str, said: str) -> bool:
    """Whether `plain` has all of `said`, or two of its three parts where it is long."""
    words = said.split(" ")
    if len(words) < _MIN_FLOW_WORDS or len(plain) * 3 < len(said):
        return False
    if said in plain:
        return True
    if len(words) < 3 * _WINDOW:
        return False
    middle = len(words) // 2
    starts = (0, middle, len(words) - _WINDOW)
    return sum(" ".join(words[one : one + _WINDOW]) in plain for one in starts) >= 2


def _decode(code: str) -> str:
    """What base64 or hexadecimal code says, or an empty text."""
    for octets in (_from_hex, _from_base64):
        try:
            return octets(code).decode()
        except (ValueError, binascii.Error):
            continue
    return ""


def _from_hex(code: str) -> bytes:
    return bytes.fromhex(code)


def _from_base64(code: str) -> bytes:
    even = code.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(even + "=" * (-len(even) % 4), validate=True)
