"""How the rules of privacy and secrets report what they found; nothing secret is shown whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from assay.data.curate.batch import Batch, Text
from assay.data.curate.finding import Hit, Span, shorten
from assay.data.curate.json_spans import blank_escapes, decode_escapes, locate_decoded
from assay.data.curate.settings import Settings

Found = tuple[str, tuple[int, int], str, str]
"""Rule, span, evidence, and what is shown of it."""

Finder = tuple[str, Callable[[str], Iterator[Found]]]
"""What every text with a finding matches (RE2), and what finds it there."""


def scan_texts(batch: Batch, settings: Settings, finders: Sequence[Finder]) -> Iterator[Hit]:
    """What the finders find, each after the other; what one has found no later one finds."""
    taken: dict[_Key, list[tuple[int, int]]] = {}
    escaped = _decode_calls(batch)
    for start, find in finders:
        for text, searched in _select(batch, escaped, start):
            spans = taken.setdefault(_name(text), [])
            for rule, span, evidence, shown in find(searched):
                if not any(span[0] < end and begin < span[1] for begin, end in spans):
                    spans.append(span)
                    is_decoded = _name(text) in escaped.texts
                    own = locate_decoded(text.text, *span) if is_decoded else span
                    yield from report_span(text, rule, own, evidence, settings, shown=shown)


_Key = tuple[int, str]


def _name(text: Text) -> _Key:
    return text.row.number, text.path


class _Escaped(NamedTuple):
    """Arguments of calls with escapes, and what they say, as an Arrow array too."""

    texts: dict[_Key, tuple[Text, str]]
    arrow: Any


def _decode_calls(batch: Batch) -> _Escaped:
    import pyarrow as pa

    found = (text for text in batch.matching(r"\\") if text.role == "call")
    texts = {_name(text): (text, decode_escapes(text.text)) for text in found}
    decoded = [said for _, said in texts.values()]
    return _Escaped(texts, pa.array(decoded, pa.large_string()))


def _select(batch: Batch, escaped: _Escaped, pattern: str) -> Iterator[tuple[Text, str]]:
    """Texts that match `pattern` (RE2), each with its characters as they are searched.

    In a text that is no JSON, what looks like an escape is spaces: no letter of one joins a word.
    """
    import pyarrow.compute as pc

    for text in batch.matching(pattern):
        if _name(text) not in escaped.texts:
            yield text, blank_escapes(text.text)
    if escaped.texts:
        items = list(escaped.texts.values())
        matches = pc.match_substring_regex(escaped.arrow, pattern=pattern)
        yield from (items[index] for index in pc.indices_nonzero(matches).to_pylist())


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
