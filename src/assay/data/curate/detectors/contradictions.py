"""The same prompt with answers that contradict each other: a model cannot learn both."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from assay.data.curate.answer_pairs import tell_contradiction
from assay.data.curate.answer_sketches import (
    digest_text,
    find_labels,
    load_sketches,
    sketch_answers,
)
from assay.data.curate.answers import Answer, is_open, read_label
from assay.data.curate.batch import CheckedRow
from assay.data.curate.detector import Detector, Evidence
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.label_flips import CONTRADICTING_LABELS, find_flips
from assay.data.curate.labelled import gather_labelled
from assay.data.curate.settings import Settings
from assay.data.records import Record

CONTRADICTING_ANSWERS = Rule(
    "contradicting_answers",
    "duplicates",
    "warning",
    "relabel",
    "The same prompt with an answer that contradicts another row's: another number, label, call or "
    "argument, yes against no. A model learns to guess between them.",
    options={"max_share": 0.05},
)
_MIN_REPEATED = 3
_MAX_READ = 60
_MANY = 4
_GROUPS_AT_ONCE = 500


def find_both(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Hits of both rules, as far as they are on."""
    kept = load_sketches(evidence)
    if not kept:
        return
    closed = find_labels(kept["label"])
    if settings.is_on(CONTRADICTING_ANSWERS.name):
        yield from find_contradictions(evidence, settings, kept, set(closed.tolist()))
    labelled = gather_labelled(evidence, kept["number"], kept["label"], closed)
    if settings.is_on(CONTRADICTING_LABELS.name) and labelled:
        yield from find_flips(evidence, settings, labelled)


def find_contradictions(
    evidence: Evidence, settings: Settings, kept: Mapping[str, Any], closed: Container[int]
) -> Iterator[Hit]:
    """Hits of each prompt whose answers fall into classes that contradict each other."""
    groups, num_prompts = _group(kept)
    share = settings.option(CONTRADICTING_ANSWERS.name, "max_share")
    is_settled = len(groups) <= max(_MIN_REPEATED, share * num_prompts)
    for start in range(0, len(groups), _GROUPS_AT_ONCE):
        chunk = [own[:_MAX_READ].tolist() for own in groups[start : start + _GROUPS_AT_ONCE]]
        rows = evidence.rows(number for own in chunk for number in own)
        for own in chunk:
            prompt = _Prompt([rows[number] for number in own], closed, is_settled)
            yield from prompt.report(evidence, settings)


def _group(kept: Mapping[str, Any]) -> tuple[list[Any], int]:
    """Numbers of the rows of each prompt that has several answers; and how many prompts there are.

    Both in the order of the rows.
    """
    prompts, inverse = np.unique(kept["prompt"], return_inverse=True)
    pairs = np.unique(np.stack([inverse.astype(np.uint64), kept["answer"]], axis=1), axis=0)
    num_answers = np.bincount(pairs[:, 0].astype(np.int64), minlength=len(prompts))
    chosen = np.flatnonzero(num_answers[inverse] > 1)
    order = chosen[np.argsort(inverse[chosen], kind="stable")]
    if not len(order):
        return [], len(prompts)
    bounds = np.flatnonzero(np.diff(inverse[order])) + 1
    groups = np.split(kept["number"][order], bounds)
    return sorted(groups, key=lambda own: int(own[0])), len(prompts)


@dataclass
class _Class:
    """Rows whose answers do not contradict the first one's."""

    rows: list[CheckedRow]
    answer: Answer


@dataclass(frozen=True)
class _Prompt:
    """Rows of one prompt; `closed` are digests of the data's labels."""

    rows: Sequence[CheckedRow]
    closed: Container[int]
    is_settled: bool

    @cached_property
    def labels(self) -> frozenset[str]:
        """Short answers of these rows that recur in the data."""
        found = (read_label(row.record.messages[-1]) for row in self.rows)
        return frozenset(one for one in found if one and digest_text(one) in self.closed)

    def tell(self, one: Answer, other: Answer) -> str | None:
        """How two answers contradict each other, or None."""
        return tell_contradiction(one, other, labels=self.labels, is_settled=self.is_settled)

    def classify(self) -> list[_Class]:
        """The rows by what they answer; one class where the question has many answers."""
        if is_open(_read_question(self.rows[0].record)):
            return []
        classes: list[_Class] = []
        for row in self.rows:
            answer = Answer(row.record.messages[-1])
            known = next((own for own in classes if not self.tell(answer, own.answer)), None)
            if known:
                known.rows.append(row)
            else:
                classes.append(_Class([row], answer))
        is_many = len(classes) >= _MANY and len(classes) == len(self.rows)
        return [] if is_many and not self.labels else classes

    def report(self, evidence: Evidence, settings: Settings) -> Iterator[Hit]:
        """The minority's rows, or all where no class has more than half of the rows."""
        classes = self.classify()
        if len(classes) < 2:
            return
        most = max(classes, key=lambda own: len(own.rows))
        has_majority = 2 * len(most.rows) > len(self.rows)
        label = _find_label(classes, most) if has_majority else None
        is_named = settings[CONTRADICTING_ANSWERS.name].is_applied
        share = f"; {len(most.rows)} of {len(self.rows)} rows agree" if has_majority else ""
        for own in classes:
            if own is most and has_majority:
                continue
            other = most if own is not most else next(one for one in classes if one is not most)
            why = self.tell(own.answer, other.answer) or "it contradicts others"
            for row in own.rows:
                yield Hit(
                    row.number,
                    CONTRADICTING_ANSWERS.name,
                    f"the same prompt stands at {evidence.place(other.rows[0].number)}: {why}"
                    f"{share}",
                    related=tuple(one.number for one in other.rows[:5]),
                    cluster=f"prompt {evidence.place(self.rows[0].number)}",
                    label=label,
                    action=None if label is not None or is_named else "drop",
                )


def _find_label(classes: Sequence[_Class], most: _Class) -> str | None:
    """The majority's answer, where a text can stand in for another: a call cannot."""
    text = most.answer.message.get("content")
    return text if text and not any(own.answer.calls for own in classes) else None


def _read_question(record: Record) -> str:
    asked = [one for one in record.messages[:-1] if one["role"] == "user"]
    return str(asked[-1].get("content") or "") if asked else ""


DETECTORS = (
    Detector(
        "contradictions",
        (CONTRADICTING_ANSWERS, CONTRADICTING_LABELS),
        sketch=sketch_answers,
        conclude=find_both,
        version=2,
    ),
)
