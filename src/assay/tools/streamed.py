"""An answer that comes in pieces: its text as soon as it can be no call, its calls once complete.

What is given piece by piece is together what `parse_tool_calls` finds in the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from assay.tools.calls import ToolCall
from assay.tools.parse import (
    HERMES_END,
    HERMES_START,
    LLAMA_START,
    MISTRAL_START,
    REASONING_END,
    REASONING_START,
    parse_tool_calls,
)

_MARKS = (HERMES_START, MISTRAL_START, LLAMA_START, REASONING_END)


@dataclass(frozen=True)
class Part:
    """What a piece added: text to show, calls that are complete, and reasoning."""

    content: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    reasoning: str = ""


class StreamedAnswer:
    """Collects the pieces of one answer.

    Without `has_tools` calls are text like any other. `in_reasoning` says that the prompt ended
    with the mark that opens reasoning.
    """

    def __init__(self, *, has_tools: bool, in_reasoning: bool = False) -> None:
        self._has_tools = has_tools
        self._text = REASONING_START if in_reasoning else ""
        self._content = ""
        self._num_calls = 0

    def add(self, piece: str) -> Part:
        """Take the next piece."""
        self._text += piece
        if not self._has_tools:
            return self._show(self._find_plain_end())
        calls = self._read_calls() if HERMES_END in piece or HERMES_END in self._text[-80:] else []
        part = self._show(self._find_end())
        return Part(part.content, calls)

    def end(self) -> Part:
        """What is left once all pieces came."""
        if not self._has_tools:
            reasoning, text = self._split_reasoning()
            return Part(self._rest(text), [], reasoning)
        parsed = parse_tool_calls(self._text)
        calls = parsed.tool_calls[self._num_calls :]
        self._num_calls += len(calls)
        return Part(self._rest(parsed.content), calls, parsed.reasoning)

    def _read_calls(self) -> list[ToolCall]:
        """Calls between both marks that were not told yet."""
        end = self._text.rfind(HERMES_END)
        found = parse_tool_calls(self._text[: end + len(HERMES_END)]).tool_calls[self._num_calls :]
        self._num_calls += len(found)
        return found

    def _find_end(self) -> int:
        """Up to where the text is of no call, whatever comes."""
        text = self._text
        start = text.lstrip()
        if not start or (start[0] in "{<" and _may_be_whole(start)):
            return 0
        places = [place for mark in _MARKS if (place := text.find(mark)) >= 0]
        end = min(places, default=len(text) - _count_begun(text, _MARKS))
        return len(text[:end].rstrip())

    def _find_plain_end(self) -> int:
        start = self._text.lstrip()
        if start.startswith(REASONING_START) or REASONING_START.startswith(start):
            return 0
        return len(self._text)

    def _show(self, end: int) -> Part:
        text = self._text[:end]
        shown = text.lstrip() if self._has_tools else text
        return Part(self._rest(shown))

    def _rest(self, content: str) -> str:
        """What of the content was not shown yet."""
        new = content[len(self._content) :] if content.startswith(self._content) else ""
        self._content += new
        return new

    def _split_reasoning(self) -> tuple[str, str]:
        start = self._text.lstrip()
        if not start.startswith(REASONING_START):
            return "", self._text
        inner, _, after = start.removeprefix(REASONING_START).partition(REASONING_END)
        return inner.strip(), after.strip()


def _may_be_whole(start: str) -> bool:
    """Whether an answer that begins so may be a call from its first letter, or reasoning."""
    return start[0] == "{" or start.startswith(REASONING_START) or len(start) < len(REASONING_START)


def _count_begun(text: str, marks: tuple[str, ...]) -> int:
    """Characters at the end that may be the beginning of a mark."""
    for size in range(min(max(map(len, marks)) - 1, len(text)), 0, -1):
        if any(mark.startswith(text[-size:]) for mark in marks):
            return size
    return 0
