"""How the rules of privacy and secrets report what they found; nothing secret is shown whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assay.data.curate.batch import Batch, Text
from assay.data.curate.finding import Hit, Span, shorten
from assay.data.curate.json_spans import blank_escapes
from assay.data.curate.settings import Settings

Found = tuple[str, tuple[int, int], str, str]
"""Rule, span, evidence, and what is shown of it."""

Finder = tuple[str, Callable[[str], Iterator[Found]]]
"""What every text with a finding matches (RE2), and what finds it there."""


def scan_texts(batch: Batch, settings: Settings, finders: Sequence[Finder]) -> Iterator[Hit]:
    """What the finders find, each after the other; what one has found no later one finds."""
    taken: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for start, find in finders:
        for text, searched in select_texts(batch, start):
            spans = taken.setdefault((text.row.number, text.path), [])
            for rule, span, evidence, shown in find(searched):
                if not any(span[0] < end and begin < span[1] for begin, end in spans):
                    spans.append(span)
                    yield from report_span(text, rule, span, evidence, settings, shown=shown)


def show_ends(value: str) -> str:
    """The first and last characters, at most four of each and a third of all: ``AKIA…4QXY``."""
    ends = min(4, len(value) // 6)
    return f"{value[:ends]}…{value[-ends:]}" if ends else "…"


def select_texts(batch: Batch, pattern: str) -> Iterator[tuple[Text, str]]:
    """Texts that match `pattern` (RE2), each with its characters as they are searched.

    JSON escapes are spaces there, so that offsets stay and no escape's letter joins a word.
    """
    for text in batch.matching(pattern):
        yield text, blank_escapes(text.text)


def report_span(
    text: Text,
    rule: str,
    span: tuple[int, int],
    evidence: str,
    settings: Settings,
    *,
    shown: str,
) -> Iterator[Hit]:
    """One hit, or none where the user allows what stands there or has the rule off.

    Args:
        shown: in place of the text itself; the allow-list is asked for the text all the same.
    """
    found = text.text[span[0] : span[1]]
    if not settings.is_on(rule) or settings[rule].allows(found):
        return
    yield Hit(text.row.number, rule, evidence, Span(text.path, *span, shorten(shown)))
