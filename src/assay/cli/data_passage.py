"""Texts of hostile data on a terminal: a span within its row, and nothing that a terminal obeys.

What would move the cursor, colour the line or turn its direction is spelled out.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.data import Record
    from assay.data.curate import Finding

_COLOURS = {"error": "31", "warning": "33", "info": "36", "refused": "1;31", "warnings": "1;33"}
_COLOURS |= {"clean": "1;32", "soft": "2", "bold": "1", "mark": "7"}
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    r"\ud800-\udfff\U000e0000-\U000e0fff]"
)


@dataclass(frozen=True)
class Style:
    """How wide lines are, and whether they are coloured."""

    width: int = 100
    is_coloured: bool = False

    @classmethod
    def of_terminal(cls) -> Style:
        """Colours on a terminal alone, and not where NO_COLOR asks for none."""
        is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        return cls(max(shutil.get_terminal_size((100, 24)).columns, 40), is_coloured)

    def paint(self, text: str, kind: str) -> str:
        """`text` in the colour of a kind."""
        return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if self.is_coloured else text

    def mark(self, text: str) -> str:
        """`text` as what a finding is of: in reverse colours, else within ⟦ ⟧."""
        return self.paint(text or " ", "mark") if self.is_coloured else f"⟦{text}⟧"


def show_plain(text: str) -> str:
    """`text` on one line, with every character that a terminal obeys or hides spelled out."""
    return _UNSEEN.sub(_spell, text.replace("\n", "⏎"))


def show_lines(text: str) -> str:
    """`text` on its own lines, with every other character that a terminal obeys spelled out."""
    return "\n".join(map(show_plain, text.split("\n")))


def render_passage(
    finding: Finding, record: Record | None, found: Sequence[Finding], style: Style
) -> str:
    """The span with what stands before and after it, as wide as the line; secrets stay hidden."""
    from assay.data.curate.look import cut_text, read_texts

    span = finding.span
    if span is None:
        return ""
    text = read_texts(record).get(span.path) if record else None
    before = after = ""
    marked = span.text
    if text is not None:
        own = [one for one in found if one.number == finding.number and _path(one) == span.path]
        own = [finding, *(one for one in own if one != finding)]
        pieces = cut_text(text, own)
        inside = [index for index, piece in enumerate(pieces) if 0 in piece.findings]
        if inside:
            first, last = inside[0], inside[-1]
            before = "".join(piece.text for piece in pieces[:first])
            marked = "".join(piece.text for piece in pieces[first : last + 1])
            after = "".join(piece.text for piece in pieces[last + 1 :])
    room = max(style.width - len(span.path) - 6, 30)
    return f"{style.paint(span.path, 'soft')}: {_fit(before, marked, after, room, style)}"


def _fit(before: str, marked: str, after: str, room: int, style: Style) -> str:
    shown = _cut_middle(show_plain(marked), room - 2)
    side = max((room - len(shown) - 2) // 2, 0)
    left, right = show_plain(before[-room:]), show_plain(after[:room])
    spare = max(side - len(right), 0)
    left = left if len(left) <= side + spare else "…" + left[len(left) - side - spare + 1 :]
    spare = max(room - 2 - len(shown) - len(left), 0)
    right = right if len(right) <= spare else right[: max(spare - 1, 0)] + "…"
    return f"{left if side else ''}{style.mark(shown)}{right if side else ''}"


def _cut_middle(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    half = (room - 3) // 2
    return f"{text[:half]} … {text[-half:]}"


def _path(finding: Finding) -> str | None:
    return finding.span.path if finding.span else None


def _spell(found: re.Match[str]) -> str:
    code = ord(found.group())
    return chr(0x2400 + code) if code < 0x20 else f"⟨U+{code:04X}⟩"
