"""Prompts and answers of rows as digests: which stand together, and which are a closed set's."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from assay.data.curate.answers import read_label
from assay.data.curate.batch import Batch
from assay.data.curate.detector import Evidence, Sketch
from assay.data.curate.settings import Settings
from assay.data.keys import compute_prompt_keys, fold_text
from assay.data.records import Record, canonical_json

# An answer that recurs as often is one of a closed set.
MIN_LABEL_ROWS = 5

Digests = np.ndarray[tuple[int], np.dtype[np.uint64]]


def sketch_answers(batch: Batch, settings: Settings) -> Sketch:
    """Of each training row that answers something: its number, and digests of prompt and answer.

    `label` is that of a short answer, 0 where the answer is none.
    """
    rows = [row for row in batch.rows if row.part == "train" and is_answered(row.record)]
    labels = [read_label(row.record.messages[-1]) for row in rows]
    return {
        "number": np.array([row.number for row in rows], np.int64),
        "prompt": np.array([compute_prompt_digest(row.record) for row in rows], np.uint64),
        "answer": np.array([_digest_answer(row.record) for row in rows], np.uint64),
        "label": np.array([digest_text(one) if one else 0 for one in labels], np.uint64),
    }


def is_answered(record: Record) -> bool:
    """Whether a record ends in an answer to something."""
    return record.kind != "text" and record.messages[-1]["role"] == "assistant"


def compute_prompt_digest(record: Record) -> int:
    """Equal for records in which the same was said before the last answer, with the same tools.

    Below 2**64. The system prompt counts: another one may well ask for another answer.
    """
    systems = [
        fold_text(one.get("content"))
        for one in record.messages
        if one["role"] in ("system", "developer")
    ]
    tools = canonical_json(record.tools) if record.tools else ""
    return digest_text("\n".join([compute_prompt_keys(record)[-1], tools, *systems]))


def _digest_answer(record: Record) -> int:
    last = record.messages[-1]
    calls = [
        (call["function"]["name"], call["function"]["arguments"])
        for call in last.get("tool_calls") or ()
    ]
    return digest_text(fold_text(last.get("content")) + (canonical_json(calls) if calls else ""))


def digest_text(text: str) -> int:
    """A number below 2**64, equal for equal texts."""
    octets = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(octets, digest_size=8).digest(), "big")


def load_sketches(evidence: Evidence) -> dict[str, Any]:
    """The arrays of `sketch_answers`, of all pieces together."""
    kept = list(evidence.sketches())
    names = ("number", "prompt", "answer", "label")
    return {name: np.concatenate([one[name] for one in kept]) for name in names} if kept else {}


def find_labels(labels: Digests) -> Digests:
    """Digests of the short answers that recur, in order."""
    values, counts = np.unique(labels, return_counts=True)
    found: Digests = values[(counts >= MIN_LABEL_ROWS) & (values != 0)]
    return found
