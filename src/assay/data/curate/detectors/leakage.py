"""Rows that are learned from and stand among those that measure the result, too.

Every row leaves numbers alone (`leak_prints`); what training rows share with held-out ones is then
looked up, and whatever is not simply equal is read again and compared exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.data.curate.bands import LEAST_THRESHOLD
from assay.data.curate.detector import Detector, Evidence, Given, Sketch
from assay.data.curate.finding import Hit
from assay.data.curate.held_out import collect_held_out
from assay.data.curate.leak_others import build_hit, find_others, iterate_train
from assay.data.curate.leak_prints import LONG, WINDOW
from assay.data.curate.leak_rules import (
    LEAKED_ROW,
    NEAR_LEAKED_ROW,
    OVERLAPPING_TEXT,
    RULES,
    plan_bands,
)
from assay.data.curate.marks import Marks, sketch_marks
from assay.data.curate.settings import Settings, require_range
from assay.data.curate.words import Numbers

__all__ = ["DETECTORS", "LEAKED_ROW"]

LIKENESSES = ((LEAKED_ROW, "threshold"), (NEAR_LEAKED_ROW, "threshold"))
LENGTHS = ((LEAKED_ROW, "words"), (OVERLAPPING_TEXT, "words"))
# A shorter passage need not hold a print.
LEAST_WORDS = LONG + WINDOW - 1
ALONE = "only training rows are at hand; name held-out rows (--validation, --test, --suite)"


def is_ready(given: Given, settings: Settings) -> str | None:
    """There must be something that is not trained on, as far as that is known.

    Options that make no sense are refused.
    """
    for rule, option in LIKENESSES:
        require_range(settings, rule.name, option, least=LEAST_THRESHOLD, most=1)
    for rule, option in LENGTHS:
        require_range(settings, rule.name, option, least=LEAST_WORDS)
    is_alone = bool(given.parts) and set(given.parts) == {"train"} and not given.fingerprints
    return ALONE if is_alone else None


def find_leaks(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """At most one hit for each training row: the plainest leak."""
    held_out = collect_held_out(evidence, plan_bands(settings))
    if held_out is None or not len(held_out.marks):
        return
    exact: list[int] = []
    distinct: dict[str, Any] = {"number": [], "digest": []}
    lookups = _list_lookups(held_out.marks, settings.option(LEAKED_ROW.name, "words"))
    for sketch in iterate_train(evidence):
        for name, own in distinct.items():
            own.append(sketch[name])
        for row, place, same in _find_same(sketch, lookups):
            exact.append(row)
            yield build_hit(row, LEAKED_ROW.name, f"the same {same} as", held_out, place)
    if not distinct["number"]:
        return
    numbers = np.concatenate(distinct["number"])
    _, firsts = np.unique(np.concatenate(distinct["digest"]), return_index=True)
    numbers = np.setdiff1d(numbers[np.sort(firsts)], np.array(exact, np.int64))
    yield from find_others(evidence, held_out, settings, exact=exact, numbers=numbers)


@dataclass(frozen=True)
class _Lookup:
    """One kind of equality: values that held-out rows have, in order, and the first row of each.

    `values_of` and `rows_of` name arrays of a sketch: values, and the row of each (None: in turn).
    """

    same: str
    values_of: str
    rows_of: str | None
    values: Numbers
    places: Numbers

    def find(self, sketch: Sketch) -> Iterator[tuple[int, int]]:
        """Rows of the sketch whose value is known, each with the held-out row's place."""
        if not len(self.values):
            return
        values = sketch[self.values_of]
        at = np.minimum(np.searchsorted(self.values, values), len(self.values) - 1)
        for position in np.flatnonzero(self.values[at] == values).tolist():
            row = position if self.rows_of is None else int(sketch[self.rows_of][position])
            yield row, int(self.places[at[position]])


def _list_lookups(marks: Marks, words: int) -> list[_Lookup]:
    """The plainest first. A question of few words may well be asked by many."""
    every = np.ones(len(marks), bool)
    kinds = (
        ("messages", "digest", None, marks.digest, every),
        ("prompt and answer", "turn_answer", "turn_row", marks.answer, every),
        (
            "prompt, with another answer,",
            "turn_prompt",
            "turn_row",
            marks.prompt,
            marks.num_words >= words,
        ),
        ("group", "group", None, marks.group, marks.group != 0),
    )
    found = []
    for same, values_of, rows_of, known, is_usable in kinds:
        places = np.flatnonzero(is_usable)
        values, firsts = np.unique(known[places], return_index=True)
        found.append(_Lookup(same, values_of, rows_of, values, places[firsts]))
    return found


def _find_same(sketch: Sketch, lookups: Sequence[_Lookup]) -> Iterator[tuple[int, int, str]]:
    """Number, place of the held-out row, and what is the same; each training row once."""
    told = set()
    for lookup in lookups:
        for row, place in lookup.find(sketch):
            if row not in told:
                told.add(row)
                yield int(sketch["number"][row]), place, lookup.same


DETECTORS = (
    Detector(
        "leakage", RULES, sketch=sketch_marks, conclude=find_leaks, version=3, is_ready=is_ready
    ),
)
