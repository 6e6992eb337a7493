"""Parts of a text that a rule points at, and what of a text is code; it knows no rule.

Passage   characters of a text, what is wrong with them, and what could stand there instead
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from assay.data.curate.batch import Batch, CheckedRow, Text
from assay.data.curate.detector import Evidence
from assay.data.curate.finding import Hit, Rule, Span, shorten, show_ends
from assay.data.curate.settings import Settings

MESSAGES = frozenset({"system", "developer", "user", "assistant", "tool"})
ANSWERS = frozenset({"assistant"})

_CODE = re.compile(r"(?ms)^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)|`[^`\n]+`")
# Lines that only programs have: keywords of the common languages, and how their lines end.
_CODE_LINE = re.compile(
    r"(?m)^[ \t]*(?:(?:async )?def \w+\(|class \w+[:({]|import \w|from [\w.]+ import |return\b"
    r"|elif |(?:if|for|while|with|try|except|else)\b[^\n]*:[ \t]*$|#include|function\b|SELECT "
    r"|(?:public|private|static|const|let|var) \w|@\w+[(\n]|\w+(?:\.\w+)* = "
    r"|[\])}]+[;,]?[ \t]*$)|[;{][ \t]*$"
)
_CODE_LINES = 3
# Letters and digits mixed in one long word, or what stands between a name and a host in a URL.
_MAYBE_SECRET = re.compile(
    r"(?=[A-Za-z0-9+/_=-]*[0-9])(?=[A-Za-z0-9+/_=-]*[A-Za-z])[A-Za-z0-9+/_=-]{16,}"
    r"|(?<=:)[^\s:/@]{3,}(?=@[\w.-]+)"
)
_ROWS_AT_ONCE = 1_000
_INDEX = re.compile(r"(messages|rejected)\[(\d+)\]")


class Passage(NamedTuple):
    """Characters `start` to `end` of a text, one sentence on them, and the text to stand there."""

    start: int
    end: int
    evidence: str
    repaired: str | None = None


class TextRule(NamedTuple):
    """A rule on single texts: `find` sees those of `roles` in which `hint` (RE2) matches."""

    rule: Rule
    roles: frozenset[str]
    hint: str
    find: Callable[[Text], Iterable[Passage]]


def scan_texts(rules: Iterable[TextRule], batch: Batch, settings: Settings) -> Iterator[Hit]:
    """The hits of every rule that is on."""
    for one in rules:
        if not settings.is_on(one.rule.name):
            continue
        for text in batch.matching(one.hint):
            if text.role in one.roles:
                yield from (to_hit(one.rule, text, passage) for passage in one.find(text))


def to_hit(rule: Rule, text: Text, passage: Passage) -> Hit:
    """A passage of a text as the hit of a rule."""
    span = mark(text, passage.start, passage.end)
    return Hit(text.row.number, rule.name, passage.evidence, span, repaired=passage.repaired)


def mark(text: Text, start: int, end: int) -> Span:
    """The span of characters `start` to `end` of a text."""
    return Span(text.path, start, end, show(text.text[start:end]))


def show(text: str) -> str:
    """`text` as evidence has it: short, and of what may be a key or a password only the ends."""
    return shorten(_MAYBE_SECRET.sub(lambda one: show_ends(one[0]), text))


def blank_code(text: str) -> str:
    """`text` with spaces in place of fenced and inline code; every offset stays as it is."""
    return _CODE.sub(_blank, text) if "`" in text or "~~~" in text else text


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def is_code(text: str) -> bool:
    """Whether a text is mostly a program without a fence around it."""
    lines = len(_CODE_LINE.findall(text))
    return lines >= _CODE_LINES and 5 * lines >= text.count("\n") + 1


def message_index(text: Text) -> int:
    """The index of the message that a text stands in; 0 for a row's tools.

    A rejected answer stands in the place of the chosen one.
    """
    found = _INDEX.match(text.path)
    if found is None:
        return 0
    start = text.row.record.answers_from if found[1] == "rejected" else 0
    return start + int(found[2])


def find_question(row: CheckedRow, index: int) -> str:
    """The last user's text before message `index`, or nothing."""
    for message in reversed(row.record.messages[:index]):
        if message["role"] == "user":
            return message["content"] or ""
    return ""


def read_context(row: CheckedRow, index: int) -> str:
    """The system's and the last user's text before message `index`: what an answer may go by."""
    messages = row.record.messages[:index]
    systems = [one["content"] or "" for one in messages if one["role"] in ("system", "developer")]
    return "\n".join([*systems, find_question(row, index)])


def iterate_rows(evidence: Evidence, numbers: Iterable[int]) -> Iterator[CheckedRow]:
    """Single rows by number, in order, a few at a time in memory."""
    wanted = sorted(set(numbers))
    for start in range(0, len(wanted), _ROWS_AT_ONCE):
        found = evidence.rows(wanted[start : start + _ROWS_AT_ONCE])
        yield from (found[number] for number in sorted(found))


def compare(text: str, other: str) -> tuple[int, int, str]:
    """Where `text` differs from `other`: start and end in `text`, and what stands there in `other`.

    Raises:
        ValueError: they are equal.
    """
    if text == other:
        raise ValueError("equal texts do not differ anywhere")
    limit = min(len(text), len(other))
    start = next((at for at in range(limit) if text[at] != other[at]), limit)
    limit -= start
    tail = next((at for at in range(limit) if text[-1 - at] != other[-1 - at]), limit)
    return start, len(text) - tail, other[start : len(other) - tail]
