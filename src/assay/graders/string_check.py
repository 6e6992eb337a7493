"""Grader `string_check`: whether a text equals, or contains, another; 0 or 1."""

from __future__ import annotations

from collections.abc import Callable

from assay.graders.grade import EachGrader, Grader, Item, Sample
from assay.graders.models import Models
from assay.graders.spec import SpecReader
from assay.graders.template import render_template

OPERATIONS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda text, reference: text == reference,
    "ne": lambda text, reference: text != reference,
    "like": lambda text, reference: reference in text,
    "ilike": lambda text, reference: reference.casefold() in text.casefold(),
}


def build_string_check(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `input`, `reference` (templates) and `operation`.

    `eq` and `ne` compare whole texts, `like` asks whether the reference stands in the input, and
    `ilike` the same without regard to case.
    """
    text, reference = spec.read_template("input"), spec.read_template("reference")
    compare = OPERATIONS[spec.read_text("operation", choices=tuple(OPERATIONS))]

    def score(sample: Sample, item: Item) -> float:
        rendered = (render_template(one, sample, item) for one in (text, reference))
        return float(compare(*rendered))

    return EachGrader(name, score)
