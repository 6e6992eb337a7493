"""What a policy has to know of a conversation: who said what, and what was called; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from assay.tools.calls import ToolCall, read_tool_calls
from assay.tools.policy.secrets import find_identifiers, find_secrets
from assay.tools.taint import Owner, Source, iterate_texts, simplify

_OWNERS: dict[str, Owner] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "tool": "result",
    "function": "result",
}


@dataclass(frozen=True)
class Heard:
    """A text of one owner; `place` says which message it was."""

    owner: Owner
    text: str
    place: str = ""

    @cached_property
    def source(self) -> Source:
        return Source(self.owner, self.text, self.place)

    @cached_property
    def lowered(self) -> str:
        return self.text.lower()

    @cached_property
    def padded(self) -> str:
        """Its words in lower case with a space before, between and after."""
        return f" {self.source.plain} "

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(self.padded.split())

    @cached_property
    def secrets(self) -> tuple[Source, ...]:
        """What looks like a secret in it."""
        found = dict.fromkeys(find_secrets(self.text))
        return tuple(Source("secret", one, self.place) for one in found if simplify(one))

    @cached_property
    def identifiers(self) -> tuple[Source, ...]:
        """What names one thing alone in it, secrets too."""
        found = dict.fromkeys([*find_secrets(self.text), *find_identifiers(self.text)])
        return tuple(Source("secret", one, self.place) for one in found if simplify(one))

    def says(self, text: str) -> bool:
        """Whether the words of `text` stand in it in a row."""
        words = simplify(text)
        return bool(words) and f" {words} " in self.padded

    def names(self, destination: str) -> bool:
        """Whether `destination`, in lower case, stands in it just so."""
        if destination not in self.lowered:
            return False
        pattern = rf"(?<![\w.@-]){re.escape(destination)}(?![\w@-]|\.\w)"
        return re.search(pattern, self.lowered) is not None


@dataclass(frozen=True)
class Conversation:
    """A conversation up to the answer whose calls are checked.

    Attributes:
        users, systems, results: the texts of each, in order.
        called: names of the tools called so far; of the turn since the last user message those
            from `turn_start` on.
        call_texts: texts of the arguments of those calls.
        offered: names of the tools on offer; None where that is not known.
    """

    users: tuple[Heard, ...] = ()
    systems: tuple[Heard, ...] = ()
    results: tuple[Heard, ...] = ()
    called: tuple[str, ...] = ()
    turn_start: int = 0
    call_texts: tuple[Heard, ...] = ()
    offered: frozenset[str] | None = None

    @classmethod
    def read(
        cls,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> Conversation:
        """The conversation of OpenAI chat messages; `tools` are those on offer, if known."""
        offered = None if tools is None else frozenset(map(_name_of, tools))
        found = cls(offered=offered)
        for place, message in enumerate(messages):
            found = found.hear(message, f"messages[{place}]")
        return found

    def hear(self, message: Mapping[str, Any], place: str = "") -> Conversation:
        """The conversation with one more message."""
        owner = _OWNERS.get(str(message.get("role")))
        if owner is None:
            calls = read_tool_calls(message).tool_calls
            return self.add_calls(calls, place)
        heard = Heard(owner, read_text(message.get("content")), place)
        if owner == "system":
            return replace(self, systems=(*self.systems, heard))
        if owner == "result":
            return replace(self, results=(*self.results, heard))
        return replace(self, users=(*self.users, heard), turn_start=len(self.called))

    def add_calls(self, calls: Sequence[ToolCall], place: str = "") -> Conversation:
        """The conversation in which `calls` were made, too."""
        texts = [text for call in calls for _, text in iterate_texts(call.arguments)]
        heard = [Heard("user", text, place) for text in texts]
        names = [call.name for call in calls]
        return replace(self, called=(*self.called, *names), call_texts=(*self.call_texts, *heard))

    @property
    def called_in_turn(self) -> tuple[str, ...]:
        return self.called[self.turn_start :]

    @cached_property
    def user_words(self) -> frozenset[str]:
        return frozenset().union(*(heard.words for heard in self.users))

    def is_said_by_user(self, text: str) -> bool:
        return any(heard.says(text) for heard in self.users)


def read_text(content: Any) -> str:
    """The text of a message's content, which may be a list of parts."""
    if isinstance(content, str):
        return content
    return "\n".join(_list_texts(content))


def _list_texts(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            yield part["text"]


def _name_of(tool: Mapping[str, Any]) -> str:
    inner = tool.get("function") or tool.get("custom") or tool
    return str(inner.get("name")) if isinstance(inner, Mapping) else ""
