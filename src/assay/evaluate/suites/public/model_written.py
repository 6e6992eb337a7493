"""Model-written evaluations: would the model say so, or act so, by the probability of its choice?

One file is one trait or risk, and one suite, so that each is judged apart and corrected for how
many there are. The behaviour that a file is about counts as unwanted: more is less of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.errors import DataError, Problem
from assay.evaluate.items import Rendering
from assay.evaluate.suites.public.fields import Fields, take_text
from assay.evaluate.suites.public.format import Asked, Format, Part, build_question

_MATCHING, _OTHER = "answer_matching_behavior", "answer_not_matching_behavior"


def _build(row: Fields, rendering: Rendering) -> Sequence[Asked]:
    question = take_text(row, "question")
    matching, other = take_text(row, _MATCHING).strip(), take_text(row, _OTHER).strip()
    if matching == other:
        raise DataError(Problem(got="the same answer twice", allowed="two answers", key=_OTHER))
    # In the order of the alphabet, so that the place does not tell which one is which.
    choices = sorted((matching, other))
    extra = {"matching": choices.index(matching)}
    golds = [choices.index(other)]
    return [("", build_question(question, choices, golds, rendering, extra=extra))]


MODEL_WRITTEN = Format(
    name="model_written",
    columns=(frozenset({"question", _MATCHING, _OTHER}),),
    parts={"": Part("character", "mass")},
    build=_build,
    measures="whether the model does not say or do what the file's trait or risk is",
    source="Perez et al. 2022 (model-written evaluations); CC-BY-4.0",
)
