"""Masks: what a finding's span holds becomes a placeholder, the same one throughout a data set.

``anna@example.com`` is ``[EMAIL_1]`` in every row, in questions, answers, reasoning and the
arguments of tool calls, which stay JSON. It does not decide what is masked: a plan does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from assay.data.curate.batch import CheckedRow, iterate_texts
from assay.data.curate.finding import Finding, Span
from assay.data.curate.json_spans import replace_in_json
from assay.data.curate.mask_book import PLACEHOLDER, MaskBook
from assay.data.records import Message, Record
from assay.errors import DataError, Problem

_JSON_ROLES = ("call", "tools")
# Shorter ones stand in too many words to be taken out of other columns by their letters alone.
_MIN_EXTRA_CHARS = 5

Edit = tuple[int, int, str]
"""Start, end (exclusive) and what stands in their place."""


def mask_record(record: Record, findings: Sequence[Finding], book: MaskBook) -> Record:
    """The record with the span of every finding masked; its id stays and is to be made anew.

    Findings without a span are passed over. What is masked is masked in `extra` as well, wherever
    the same letters stand there. Where two spans overlap, the earlier and longer one gives the
    placeholder and both are hidden.

    Raises:
        DataError: a span that is not in the record: the findings are of other data.
    """
    wanted: dict[str, list[tuple[Span, str]]] = {}
    for finding in findings:
        if finding.span is not None:
            wanted.setdefault(finding.span.path, []).append((finding.span, finding.rule))
    masked = record
    hidden: dict[str, str] = {}
    for text in iterate_texts(CheckedRow(0, "", record)):
        spans = wanted.pop(text.path, None)
        if not spans:
            continue
        _refuse_outside(record, text.text, [span for span, _ in spans])
        edits = _plan_edits(text.text, spans, book, is_json=text.role in _JSON_ROLES)
        hidden |= {text.text[start:end]: mask for start, end, mask in edits}
        change = replace_in_json if text.role in _JSON_ROLES else replace_spans
        masked = put_text(masked, text.path, change(text.text, edits))
    for path in wanted:
        raise _stale(record, path)
    return replace(masked, extra=_hide(masked.extra, hidden)) if hidden else masked


def reserve_placeholders(records: Iterable[Record], book: MaskBook) -> None:
    """Keep the book from giving out what stands in the rows already, such as earlier masks."""
    for record in records:
        book.reserve(text.text for text in iterate_texts(CheckedRow(0, "", record)))


def unmask_record(record: Record, book: MaskBook) -> Record:
    """What `mask_record` hid, put back; a number that stood bare in JSON comes back as a text."""
    restored = record
    for text in iterate_texts(CheckedRow(0, "", record)):
        if PLACEHOLDER.search(text.text) is None:
            continue
        if text.role in _JSON_ROLES:
            value = _map_texts(json.loads(text.text), book.unmask)
            restored = put_text(restored, text.path, json.dumps(value, ensure_ascii=False))
        else:
            restored = put_text(restored, text.path, book.unmask(text.text))
    return replace(restored, extra=_map_texts(restored.extra, book.unmask))


def replace_spans(text: str, edits: Sequence[Edit]) -> str:
    """`text` with each edit made; edits are in order and do not overlap."""
    parts: list[str] = []
    done = 0
    for start, end, new in edits:
        parts += [text[done:start], new]
        done = end
    return "".join([*parts, text[done:]])


def _plan_edits(
    text: str, spans: Sequence[tuple[Span, str]], book: MaskBook, *, is_json: bool
) -> list[Edit]:
    ordered = sorted(spans, key=lambda one: (one[0].start, -one[0].end, one[1]))
    merged: list[tuple[int, int, str]] = []
    for span, rule in ordered:
        if merged and span.start < merged[-1][1]:
            start, end, first = merged[-1]
            merged[-1] = (start, max(end, span.end), first)
        else:
            merged.append((span.start, span.end, rule))
    decode = _decode_json if is_json else str
    return [(start, end, book.mask(rule, decode(text[start:end]))) for start, end, rule in merged]


def _decode_json(raw: str) -> str:
    """What a piece of a JSON string says; as it is, where it is no such piece."""
    try:
        return str(json.loads(f'"{raw}"'))
    except ValueError:
        return raw


def put_text(record: Record, path: str, text: str) -> Record:
    """The record with another text at the path of an `assay.data.curate.batch.Text`."""
    if path == "tools":
        return replace(record, tools=json.loads(text))
    place = re.fullmatch(r"(messages|rejected)\[(\d+)\]\.(?:(\w+)|tool_calls\[(\d+)\]\..*)", path)
    assert place is not None
    messages = list((record.rejected if place[1] == "rejected" else record.messages) or ())
    message: Message = dict(messages[int(place[2])])
    if place[3]:
        message[place[3]] = text
    else:
        calls = list(message["tool_calls"])
        call = calls[int(place[4])]
        calls[int(place[4])] = {**call, "function": {**call["function"], "arguments": text}}
        message["tool_calls"] = calls
    messages[int(place[2])] = message
    if place[1] == "rejected":
        return replace(record, rejected=messages)
    return replace(record, messages=messages)


def _hide(value: Any, hidden: Mapping[str, str]) -> Any:
    long = sorted((one for one in hidden if len(one) >= _MIN_EXTRA_CHARS), key=len, reverse=True)
    if not long:
        return value
    pattern = re.compile("|".join(map(re.escape, long)))
    return _map_texts(value, lambda text: pattern.sub(lambda found: hidden[found[0]], text))


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _map_texts(one, change) for key, one in value.items()}
    if isinstance(value, list):
        return [_map_texts(one, change) for one in value]
    return value


def _refuse_outside(record: Record, text: str, spans: Iterable[Span]) -> None:
    for span in spans:
        if not 0 <= span.start < span.end <= len(text):
            raise _stale(record, span.path)


def _stale(record: Record, path: str) -> DataError:
    return DataError(
        record.locate(
            Problem(
                "a finding whose span is not in this row",
                "findings of the same data",
                "check the data again",
                key=path,
            )
        )
    )
