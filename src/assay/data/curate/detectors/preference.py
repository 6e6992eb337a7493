"""What is wrong with pairs and ratings: nothing preferred, both preferred, length preferred."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence

import numpy as np

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Detector, Evidence, Sketch
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.settings import Settings
from assay.data.keys import compute_conversation_key, compute_messages_key
from assay.data.records import Message, Record

EQUAL_ANSWERS = Rule(
    "equal_answers",
    "preference",
    "warning",
    "drop",
    "A pair whose rejected answer is the chosen one, but for white space: there is nothing to "
    "prefer, and its loss never moves.",
)
CONTRADICTING_PREFERENCES = Rule(
    "contradicting_preferences",
    "preference",
    "warning",
    "drop",
    "The same prompt and answers as another row's, preferred or rated the other way round: what "
    "one row teaches the other takes back.",
)
LENGTH_PREFERENCE = Rule(
    "length_preference",
    "preference",
    "warning",
    "keep",
    "The longer answer is the preferred one in most pairs (or the shorter one): a model learns the "
    "length instead of what makes an answer good.",
    options={"max_share": 0.75, "min_pairs": 40},
)
_Z = 3.0
"""Standard deviations from an even choice that the share must be away: one set in 370 by chance."""


def find_equal(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """Pairs of equal answers."""
    for row in batch.rows:
        rejected = row.record.rejected
        if rejected is not None and _key(_chosen(row.record)) == _key(rejected):
            yield Hit(row.number, EQUAL_ANSWERS.name, "chosen and rejected are the same answer")


def sketch_preferences(batch: Batch, settings: Settings) -> Sketch:
    """Digests of what each training row prefers, of the opposite, and characters by which longer.

    `longer` is 0 for ratings, and for pairs of equal length.
    """
    rows = [row for row in batch.rows if row.part == "train" and _is_compared(row.record)]
    told = [_tell(row.record) for row in rows]
    return {
        "number": np.array([row.number for row in rows], np.int64),
        "told": np.array([_digest(one) for one, _ in told], np.uint64),
        "opposite": np.array([_digest(other) for _, other in told], np.uint64),
        "longer": np.array([_longer(row) for row in rows], np.int64),
    }


def find_both(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Hits of both rules that look at the whole set."""
    sketches = list(evidence.sketches())
    if not sketches:
        return
    whole = {name: np.concatenate([one[name] for one in sketches]) for name in sketches[0]}
    if settings.is_on(CONTRADICTING_PREFERENCES.name):
        yield from _find_contradicting(evidence, whole)
    if settings.is_on(LENGTH_PREFERENCE.name):
        yield from _find_length(whole, settings)


def _find_contradicting(evidence: Evidence, whole: Sketch) -> Iterator[Hit]:
    first: dict[int, int] = {}
    for number, told in zip(whole["number"].tolist(), whole["told"].tolist(), strict=True):
        first.setdefault(told, number)
    pairs = zip(*(whole[name].tolist() for name in ("number", "told", "opposite")), strict=True)
    for number, told, opposite in pairs:
        other = first.get(opposite)
        if other is not None and told != opposite:
            text = f"{evidence.place(other)} prefers or rates the same answers the other way round"
            yield Hit(number, CONTRADICTING_PREFERENCES.name, text, related=(other,))


def _find_length(whole: Sketch, settings: Settings) -> Iterator[Hit]:
    longer = whole["longer"][whole["longer"] != 0]
    num_pairs = len(longer)
    if num_pairs < settings.option(LENGTH_PREFERENCE.name, "min_pairs"):
        return
    share = float((longer > 0).mean())
    most = max(share, 1 - share)
    is_certain = (most - 0.5) * 2 * math.sqrt(num_pairs) >= _Z
    if most > settings.option(LENGTH_PREFERENCE.name, "max_share") and is_certain:
        which = "longer" if share > 0.5 else "shorter"
        mean = abs(float(longer.mean()))
        text = (
            f"the {which} answer is the chosen one in {most:.0%} of {num_pairs} pairs of other"
            f" length (by {mean:.0f} characters in the mean)"
        )
        yield Hit(int(whole["number"][0]), LENGTH_PREFERENCE.name, text)


def _is_compared(record: Record) -> bool:
    return record.rejected is not None or record.is_wanted is not None


def _tell(record: Record) -> tuple[str, str]:
    """What a row says, and what a row that contradicts it would say."""
    if record.rejected is None:
        key = compute_conversation_key(record)
        return f"{key} {record.is_wanted}", f"{key} {not record.is_wanted}"
    prompt = _key(record.messages[: record.answers_from])
    chosen, rejected = _key(_chosen(record)), _key(record.rejected)
    return f"{prompt} {chosen} {rejected}", f"{prompt} {rejected} {chosen}"


def _longer(row: CheckedRow) -> int:
    record = row.record
    if record.rejected is None:
        return 0
    return _count_characters(_chosen(record)) - _count_characters(record.rejected)


def _count_characters(messages: Sequence[Message]) -> int:
    return sum(len(message.get("content") or "") for message in messages)


def _chosen(record: Record) -> list[Message]:
    return record.messages[record.answers_from :]


def _key(messages: Sequence[Message]) -> str:
    return compute_messages_key(messages)


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


DETECTORS = (
    Detector(
        "preference",
        (EQUAL_ANSWERS, CONTRADICTING_PREFERENCES, LENGTH_PREFERENCE),
        scan=find_equal,
        sketch=sketch_preferences,
        conclude=find_both,
    ),
)
