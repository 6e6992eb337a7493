"""Candidates as rows of training files: answers for sft, pairs for objectives of preference."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from assay.data.records import Record
from assay.pipeline.feedback.candidates import Candidate

COMPLETION = "completion_id"
"""The column by which a row is traced to the completion that it came of."""


def render_answer(one: Candidate) -> dict[str, Any]:
    """A row of OpenAI's chat form, whose last message alone is learned."""
    answer = one.answer if one.correction is None else one.correction
    return {"messages": [*one.messages, answer], **_offer(one), **_trace(one)}


def render_pair(one: Candidate) -> dict[str, Any]:
    """A row of OpenAI's preference form: the correction before the answer."""
    return {
        "input": {"messages": one.messages, **_offer(one)},
        "preferred_output": [one.correction],
        "non_preferred_output": [one.answer],
        **_trace(one),
    }


def render_lines(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def export_rows(records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    """Rows of a version in the form in which a client uploads them."""
    for record in records:
        offer = {"tools": record.tools} if record.tools else {}
        if record.rejected is None:
            yield {"messages": record.messages, **offer}
            continue
        begin = record.answers_from
        yield {
            "input": {"messages": record.messages[:begin], **offer},
            "preferred_output": record.messages[begin:],
            "non_preferred_output": record.rejected,
        }


def _offer(one: Candidate) -> dict[str, Any]:
    return {"tools": one.tools} if one.tools else {}


def _trace(one: Candidate) -> dict[str, Any]:
    said = {"feedback": one.kind, "thread": one.thread, "answered_by": one.model}
    return {COMPLETION: one.completion_id, **said}
