"""Rows that are learned from and stand among those that measure the result, too.

Every row leaves numbers alone (`leak_prints`); what training rows share with held-out ones is then
looked up, and whatever is not simply equal is read again and compared exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from assay.data.curate.detector import Detector, Evidence, Given, Sketch
from assay.data.curate.finding import Hit
from assay.data.curate.held_out import HeldOut, collect_held_out
from assay.data.curate.leak_others import build_hit, find_others, iterate_train
from assay.data.curate.leak_rules import LEAKED_ROW, RULES, plan_bands
from assay.data.curate.marks import sketch_marks
from assay.data.curate.settings import Settings
from assay.data.curate.words import Numbers

__all__ = ["DETECTORS", "LEAKED_ROW"]

ALONE = "only training rows are at hand; name held-out rows (--validation, --test, --suite)"


def is_ready(given: Given, settings: Settings) -> str | None:
    """There must be something that is not trained on, as far as that is known."""
    is_alone = bool(given.parts) and set(given.parts) == {"train"} and not given.fingerprints
    return ALONE if is_alone else None


def find_leaks(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """At most one hit for each training row: the plainest leak."""
    held_out = collect_held_out(evidence, plan_bands(settings))
    if held_out is None or not len(held_out.marks):
        return
    exact: list[int] = []
    distinct: dict[str, Any] = {"number": [], "digest": []}
    words = settings.option(LEAKED_ROW.name, "words")
    for sketch in iterate_train(evidence):
        for name, own in distinct.items():
            own.append(sketch[name])
        for row, place, same in _find_same(sketch, held_out, words):
            exact.append(row)
            yield build_hit(row, LEAKED_ROW.name, f"the same {same} as", held_out, place)
    if not distinct["number"]:
        return
    numbers = np.concatenate(distinct["number"])
    _, firsts = np.unique(np.concatenate(distinct["digest"]), return_index=True)
    numbers = np.setdiff1d(numbers[np.sort(firsts)], np.array(exact, np.int64))
    yield from find_others(evidence, held_out, settings, exact=exact, numbers=numbers)


def _find_same(sketch: Sketch, held_out: HeldOut, words: int) -> Iterator[tuple[int, int, str]]:
    """Number, place of the held-out row, and what is the same; each training row once."""
    marks = held_out.marks
    every = np.arange(len(sketch["number"]))
    telling = marks.num_words >= words
    lookups = (
        ("messages", every, sketch["digest"], marks.digest, None),
        ("prompt and answer", sketch["turn_row"], sketch["turn_answer"], marks.answer, None),
        (
            "prompt, with another answer,",
            sketch["turn_row"],
            sketch["turn_prompt"],
            marks.prompt,
            telling,
        ),
        ("group", every, sketch["group"], marks.group, marks.group != 0),
    )
    told = set()
    for same, rows, values, known, usable in lookups:
        for position, place in _look_up(values, known, usable):
            row = int(rows[position])
            if row not in told:
                told.add(row)
                yield int(sketch["number"][row]), place, same


def _look_up(values: Numbers, known: Numbers, usable: Numbers | None) -> Iterator[tuple[int, int]]:
    """Positions of values that are known, each with the first place that knows it."""
    places = np.arange(len(known)) if usable is None else np.flatnonzero(usable)
    distinct, firsts = np.unique(known[places], return_index=True)
    if not len(distinct):
        return
    at = np.minimum(np.searchsorted(distinct, values), len(distinct) - 1)
    for position in np.flatnonzero(distinct[at] == values).tolist():
        yield position, int(places[firsts[at[position]]])


DETECTORS = (
    Detector("leakage", RULES, sketch=sketch_marks, conclude=find_leaks, is_ready=is_ready),
)
