"""HaluEval pairs: is the right text likelier than a made-up one, for its length?

Li et al. 2023. Question and answer, dialogue and summary rows are read. Texts differ in length, so
log-probabilities are compared per byte.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.evaluate.items import Rendering
from assay.evaluate.suites.public.fields import Fields, take_text
from assay.evaluate.suites.public.format import Asked, Format, Part, build_question

_FORMS = {
    "answer": ("question", "right_answer", "hallucinated_answer", "{knowledge}\n{question}"),
    "response": (
        "dialogue_history",
        "right_response",
        "hallucinated_response",
        "{knowledge}\n{dialogue_history}",
    ),
    "summary": (
        "document",
        "right_summary",
        "hallucinated_summary",
        "{document}\nSummarise this text.",
    ),
}


def _build(row: Fields, rendering: Rendering) -> Sequence[Asked]:
    form = next((name for name in _FORMS if f"right_{name}" in row), "answer")
    asked, right, wrong, layout = _FORMS[form]
    texts = {asked: take_text(row, asked), "knowledge": str(row.get("knowledge") or "")}
    question = layout.format(**texts).strip()
    choices = [take_text(row, right), take_text(row, wrong)]
    return [("", build_question(question, choices, [0], rendering, extra={"category": form}))]


HALUEVAL = Format(
    name="halueval",
    columns=tuple(frozenset({asked, right, wrong}) for asked, right, wrong, _ in _FORMS.values()),
    parts={"": Part("honesty", "choice_norm")},
    build=_build,
    measures="whether the right text is likelier than a made-up one",
    source="Li et al. 2023; MIT",
)
