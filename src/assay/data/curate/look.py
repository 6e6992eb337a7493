"""Rows as a person may see them: their texts cut where findings begin and end, secrets hidden.

A rule that shows only the ends of what it found (a key, a card number) says so by its span: its
`text` is other than what stands there. Such characters leave this module only as the rule shows
them, whichever finding is being looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from assay.data.curate.batch import CheckedRow, iterate_texts
from assay.data.curate.check import Checked
from assay.data.curate.finding import SEVERITIES, Finding, shorten
from assay.data.curate.parts import Parts, read_parts
from assay.data.records import Record

MAX_MARKED = 100
"""Findings of one text that are marked in it; what is to be hidden is hidden all the same."""


class Piece(NamedTuple):
    """Consecutive characters of a text; `findings` are indices of the findings they belong to."""

    text: str
    findings: tuple[int, ...] = ()


class _Reach(NamedTuple):
    start: int
    end: int
    of: int


def read_texts(record: Record) -> dict[str, str]:
    """The texts of a row by path, as `Span.path` names them."""
    return {text.path: text.text for text in iterate_texts(CheckedRow(0, "", record))}


def load_rows(
    parts: Parts,
    numbers: Collection[int],
    *,
    base_dir: Path,
    system: str | None = None,
    group_by: str | None = None,
) -> dict[int, Record]:
    """Rows by their number in the reading order of a check; reading stops after the last one.

    Raises:
        DataError: a source that cannot be read any more.
    """
    wanted, found = set(numbers), {}
    last = max(wanted, default=-1)
    reads = read_parts(parts, base_dir=base_dir, system=system, group_by=group_by)
    for number, read in enumerate(reads):
        if number > last:
            break
        if number in wanted and read.record is not None:
            found[number] = read.record
    return found


def cut_text(text: str, findings: Sequence[Finding]) -> list[Piece]:
    """`text` in pieces at the borders of the findings' spans, all of which are of this text.

    The pieces join to the text again, but for what is hidden: that is one piece, as it is shown.
    A span without characters is a piece without text.
    """
    spans = [(one.span, index) for index, one in enumerate(findings) if one.span is not None]
    reaches = [
        _Reach(min(span.start, len(text)), min(span.end, len(text)), index) for span, index in spans
    ]
    hidden = _join_hidden(text, reaches, findings)
    widened = [_widen(reach, hidden) for reach in reaches[:MAX_MARKED]]
    borders = {0, len(text)}
    for start, end, *_ in (*widened, *hidden):
        borders |= {start, end}
    shown = {(start, end): told for start, end, told in hidden}
    pieces: list[Piece] = []
    ordered = sorted(borders)
    for start, end in zip(ordered, [*ordered[1:], len(text)], strict=True):
        empty = tuple(r.of for r in widened if r.start == r.end == start)
        if empty:
            pieces.append(Piece("", empty))
        if start < end:
            own = tuple(r.of for r in widened if r.start <= start and end <= r.end)
            pieces.append(Piece(shown.get((start, end), text[start:end]), own))
    return pieces


def hide(text: str, findings: Iterable[Finding]) -> str:
    """The whole text, with what rules hide as they show it."""
    return "".join(piece.text for piece in cut_text(text, list(findings)))


def list_hidden(text: str, findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """What is hidden of a text: the characters themselves, and what is shown for them."""
    spans = [(one.span, index) for index, one in enumerate(findings) if one.span is not None]
    reaches = [_Reach(span.start, span.end, index) for span, index in spans]
    return [(text[start:end], shown) for start, end, shown in _join_hidden(text, reaches, findings)]


def pick_findings(checked: Checked, *, most: int) -> list[Finding]:
    """Findings to show, by severity; of each rule its first, then its second, and so on."""
    kept: dict[str, list[Finding]] = {}
    for one in checked.findings:
        own = kept.setdefault(one.rule, [])
        if len(own) < most:
            own.append(one)
    ranked = [
        (-SEVERITIES.index(one.severity), turn, place, one)
        for place, own in enumerate(kept.values())
        for turn, one in enumerate(own)
    ]
    return [one for *_, one in sorted(ranked, key=lambda entry: entry[:3])[:most]]


def _join_hidden(
    text: str, reaches: Sequence[_Reach], findings: Sequence[Finding]
) -> list[tuple[int, int, str]]:
    """Spans that are hidden, in order, those that overlap as one."""
    joined: list[tuple[int, int, str]] = []
    for start, end, of in sorted(reaches):
        span = findings[of].span
        assert span is not None
        if start == end or _is_whole(span.text, text[start:end]):
            continue
        if joined and start < joined[-1][1]:
            before = joined.pop()
            joined.append((before[0], max(before[1], end), before[2]))
        else:
            joined.append((start, end, span.text))
    return joined


def _is_whole(shown: str, text: str) -> bool:
    """Whether `shown` is the text itself, or no more than cut in its middle for length."""
    return shown == shorten(text, limit=max(len(shown), 1)) or shown == shorten(text)


def _widen(reach: _Reach, hidden: Sequence[tuple[int, int, str]]) -> _Reach:
    """A span that begins or ends within what is hidden, to all of it."""
    start, end, of = reach
    for first, last, _ in hidden:
        if start < last and first < end:
            start, end = min(start, first), max(end, last)
    return _Reach(start, end, of)
