"""Finds where streamed text may spell a tool call, and holds it back from there on.

A server that does not take calls out of a model's text sends them as text, and its clients read
them there. It judges nothing: it gives what is surely no call, and keeps the rest until the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assay.tools.parse import HERMES_START, LLAMA_START, MISTRAL_START, REASONING_END

_MARKS = (HERMES_START, MISTRAL_START, LLAMA_START)
_BARE = re.compile(r"\{\s*\"(?:type|name|function)\"\s*:")
_BARE_BEGUN = re.compile(r"\{?\s*(?:\"(?P<key>\w*)(?:\"\s*)?)?")
_KEYS = ("type", "name", "function")


@dataclass(frozen=True)
class Held:
    """What was kept back to the end; `spells_call` where it has a mark of a call."""

    text: str
    spells_call: bool


class Spelled:
    """Takes a text part by part.

    Held are: whatever follows a mark of Hermes', Mistral's or Llama's form, the end of a text that
    may be the beginning of a mark, and an answer that begins as a bare JSON call.
    """

    def __init__(self) -> None:
        self._held, self._marked = "", False
        self._at_start = True

    def feed(self, text: str) -> str:
        """The part of all so far that is surely no call and was not given before."""
        self._held += text
        if self._marked:
            return ""
        places = [place for mark in _MARKS if (place := self._held.find(mark)) >= 0]
        # A bare call is the whole answer, or all that follows the reasoning.
        thought, closed, _ = self._held.rpartition(REASONING_END)
        start = len(thought) + len(closed)
        bare = self._find_bare(start)
        self._marked = bool(places) or bare == "yes"
        if self._marked:
            return self._cut(min([*places, *([start] if bare == "yes" else [])]))
        if bare == "maybe":
            return self._cut(start)
        return self._cut(len(self._held) - self._count_begun())

    def finish(self) -> Held:
        """What was held back."""
        held, self._held = self._held, ""
        return Held(held, self._marked)

    def _cut(self, place: int) -> str:
        given, self._held = self._held[:place], self._held[place:]
        if given.strip():
            self._at_start = given.rstrip().endswith(REASONING_END)
        return given

    def _find_bare(self, start: int) -> str:
        """Whether what is held from `start` on begins as a bare call: yes, no, or maybe."""
        text = self._held[start:].lstrip()
        if not text or not (self._at_start or start):
            return "no"
        if _BARE.match(text):
            return "yes"
        begun = _BARE_BEGUN.fullmatch(text)
        if begun is None:
            return "no"
        key = begun["key"] or ""
        return "maybe" if any(one.startswith(key) for one in _KEYS) else "no"

    def _count_begun(self) -> int:
        """Letters at the end of what is held that may begin a mark."""
        marks = (*_MARKS, REASONING_END)
        longest = max(map(len, marks)) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            end = self._held[-size:]
            if any(mark.startswith(end) for mark in marks):
                return size
        return 0
