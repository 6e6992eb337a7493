"""Where two texts differ, word by word; it knows no row."""

from __future__ import annotations

import difflib
import re

_MAX_CHARS = 6_000
_WORD = re.compile(r"\s+|\w+|[^\w\s]")

Parts = list[tuple[str, bool]]
"""Parts of a text in order, each with whether the other text has something else there."""


def compare_texts(before: str, after: str) -> tuple[Parts, Parts]:
    """Both texts in parts that join to them again; the equal parts are the same in both.

    Long texts are compared at their ends alone: what lies between is one part that differs.
    """
    if len(before) + len(after) > _MAX_CHARS:
        return _compare_ends(before, after)
    a, b = _WORD.findall(before), _WORD.findall(after)
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    old: Parts = []
    new: Parts = []
    for what, i, j, k, m in matcher.get_opcodes():
        old.append(("".join(a[i:j]), what != "equal"))
        new.append(("".join(b[k:m]), what != "equal"))
    return [part for part in old if part[0]], [part for part in new if part[0]]


def _compare_ends(before: str, after: str) -> tuple[Parts, Parts]:
    shorter = min(len(before), len(after))
    start = next((n for n in range(shorter) if before[n] != after[n]), shorter)
    end = 0
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return _in_three(before, start, end), _in_three(after, start, end)


def _in_three(text: str, start: int, end: int) -> Parts:
    last = len(text) - end
    parts = [(text[:start], False), (text[start:last], True), (text[last:], False)]
    return [part for part in parts if part[0]]
