"""Multiple choice: MMLU, ARC, HellaSwag and any file of questions, choices and a right one.

`mmlu` lists the choices in the prompt and weighs their letters (Hendrycks et al. 2021);
`multiple_choice` weighs the choices' own texts after the question, as ARC and HellaSwag are
usually scored; with metric choice_norm by log-probability per byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

from assay.errors import DataError, Problem
from assay.evaluate.items import Rendering
from assay.evaluate.suites.public.fields import Fields, take_place, take_text, take_texts
from assay.evaluate.suites.public.format import (
    DEFAULT_KIND,
    Asked,
    Format,
    HubPlace,
    Part,
    build_choices,
    build_question,
)

_ENDINGS = "endings"
_PART = Part(DEFAULT_KIND, "choice", free_kind=True)


def _build(row: Fields, rendering: Rendering) -> Sequence[Asked]:
    extra = {"category": row["subject"]} if row.get("subject") else {}
    if _ENDINGS in row:
        prompt, choices = take_text(row, "ctx"), take_texts(row, _ENDINGS, least=2)
        gold = take_place(row, "label", len(choices))
        return [("", build_choices(prompt, choices, [gold], rendering, extra=extra))]
    question = take_text(row, "question_stem" if "question_stem" in row else "question")
    choices, gold = _read_choices(row)
    return [("", build_question(question, choices, [gold], rendering, extra=extra))]


def _build_lettered(row: Fields, rendering: Rendering) -> Sequence[Asked]:
    question = take_text(row, "question")
    choices, gold = _read_choices(row)
    letters = ascii_uppercase[: len(choices)]
    listed = [f"{letter}. {choice}" for letter, choice in zip(letters, choices, strict=True)]
    last = "Answer:" if rendering == "completion" else "Answer with the letter alone."
    prompt = "\n".join([question, *listed, last])
    extra = {"category": row["subject"]} if row.get("subject") else {}
    return [("", build_choices(prompt, letters, [gold], rendering, extra=extra))]


def _read_choices(row: Fields) -> tuple[list[str], int]:
    """The choices and the place of the right one, as MMLU and as ARC store them.

    MMLU has a list of texts and a number, ARC texts with labels and the label of the right one.
    """
    given: Any = row.get("choices")
    if not isinstance(given, dict):
        choices = take_texts(row, "choices", least=2)
        return choices, take_place(row, "answer", len(choices))
    choices, labels = take_texts(given, "text", least=2), take_texts(given, "label", least=2)
    key = take_text(row, "answerKey")
    if key not in labels or len(labels) != len(choices):
        raise DataError(Problem(got=repr(key), allowed=", ".join(labels), key="answerKey"))
    return choices, labels.index(key)


MULTIPLE_CHOICE = Format(
    name="multiple_choice",
    columns=(
        frozenset({"question", "choices", "answerKey"}),
        frozenset({"question_stem", "choices", "answerKey"}),
        frozenset({"ctx", _ENDINGS, "label"}),
    ),
    parts={"": _PART},
    build=_build,
    measures="whether the right one of several answers is the likeliest",
    source="any data set of this form, such as ARC (Clark et al. 2018; CC-BY-SA-4.0)",
)
MMLU = Format(
    name="mmlu",
    columns=(frozenset({"question", "choices", "answer"}),),
    parts={"": _PART},
    build=_build_lettered,
    measures="knowledge of many subjects, by the letter of the right answer",
    source="Hendrycks et al. 2021; MIT",
    hub=HubPlace("cais/mmlu", "all", "test"),
)
