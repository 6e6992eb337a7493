"""GSM8K: word problems of school mathematics, judged by the last number alone."""

from __future__ import annotations

from collections.abc import Sequence

from assay.evaluate.items import Rendering
from assay.evaluate.suites.public.fields import Fields, take_text
from assay.evaluate.suites.public.format import Asked, Format, HubPlace, Part, build_request


def _build(row: Fields, rendering: Rendering) -> Sequence[Asked]:
    question, answer = take_text(row, "question"), take_text(row, "answer")
    return [("", build_request(question, reference=answer))]


GSM8K = Format(
    name="gsm8k",
    columns=(),
    parts={"": Part("retention", "number")},
    build=_build,
    measures="whether word problems of school mathematics are solved",
    source="Cobbe et al. 2021; MIT",
    hub=HubPlace("openai/gsm8k", "main", "test"),
)
