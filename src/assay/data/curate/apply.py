"""Carries out a plan on one row; it knows no file and decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from assay.data.curate.batch import CheckedRow, iterate_texts
from assay.data.curate.finding import Finding
from assay.data.curate.mask_book import MaskBook
from assay.data.curate.masks import mask_record, put_text, replace_spans
from assay.data.records import Record


def apply_actions(record: Record, actions: Sequence[Finding], book: MaskBook) -> Record | None:
    """The row as its actions leave it, or None where it is dropped; its id is to be made anew.

    In turn: drop, relabel, mask, repair. A text that was masked is not repaired in the same go,
    since the spans of its repairs lie elsewhere then: checking again finds what is left.

    Raises:
        DataError: a span that is not in the record: the plan is of other data.
    """
    if any(one.fix == "drop" for one in actions):
        return None
    changed = record
    masks = [one for one in actions if one.fix == "mask"]
    if masks:
        changed = mask_record(changed, masks, book)
    masked = {one.span.path for one in masks if one.span is not None}
    changed = _repair(changed, [one for one in actions if one.fix == "repair"], apart_from=masked)
    labels = [one.label for one in actions if one.fix == "relabel" and one.label is not None]
    return relabel(changed, labels[0]) if labels else changed


def relabel(record: Record, answer: str) -> Record:
    """The row with another text in its last turn."""
    last = {**record.messages[-1], "content": answer}
    return replace(record, messages=[*record.messages[:-1], last])


def _repair(record: Record, actions: Sequence[Finding], *, apart_from: set[str]) -> Record:
    edits: dict[str, list[tuple[int, int, str]]] = {}
    for one in actions:
        if one.span is None or one.repaired is None or one.span.path in apart_from:
            continue
        own = edits.setdefault(one.span.path, [])
        own.append((one.span.start, one.span.end, one.repaired))
    changed = record
    for text in iterate_texts(CheckedRow(0, "", record)):
        if text.path in edits:
            apart = _drop_overlaps(sorted(edits[text.path]))
            changed = put_text(changed, text.path, replace_spans(text.text, apart))
    return changed


def _drop_overlaps(edits: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    apart: list[tuple[int, int, str]] = []
    for edit in edits:
        if not apart or edit[0] >= apart[-1][1]:
            apart.append(edit)
    return apart
