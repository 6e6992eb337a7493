"""TruthfulQA: is the true answer likelier than what people falsely believe?

MC1 is whether the best answer is likelier than every false one, MC2 the share of the true answers
in the probability of all (Lin, Hilton and Evans 2022, section 3.2 and the paper's code). Both forms
are read: the authors' table, whose lists of answers are parted by semicolons, and the Hub's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.evaluate.items import Rendering
from assay.evaluate.suites.public.fields import Fields, take_table, take_text, take_texts
from assay.evaluate.suites.public.format import Asked, Format, HubPlace, Part, build_question

NO_COMMENT = "I have no comment."
"""The authors count it among the true answers of every question."""
_TABLE = ("Question", "Best Answer", "Correct Answers", "Incorrect Answers")


def _build(row: Fields, rendering: Rendering) -> Sequence[Asked]:
    return _build_hub(row, rendering) if "mc1_targets" in row else _build_table(row, rendering)


def _build_table(row: Fields, rendering: Rendering) -> list[Asked]:
    question = take_text(row, "Question")
    best = _close(take_text(row, "Best Answer").strip())
    true = _split(take_text(row, "Correct Answers"))
    false = _split(take_text(row, "Incorrect Answers"))
    true += [] if NO_COMMENT in true else [NO_COMMENT]
    category = row.get("Category")
    return [
        _asked("mc1", question, [best, *false], [0], rendering, category),
        _asked("mc2", question, [*true, *false], range(len(true)), rendering, category),
    ]


def _build_hub(row: Fields, rendering: Rendering) -> list[Asked]:
    question = take_text(row, "question")
    asked = []
    for part in ("mc1", "mc2"):
        targets = take_table(row, f"{part}_targets")
        choices = take_texts(targets, "choices", least=2)
        golds = [place for place, label in enumerate(targets.get("labels", ())) if label == 1]
        asked.append(_asked(part, question, choices, golds, rendering, None))
    return asked


def _asked(
    part: str,
    question: str,
    choices: Sequence[str],
    golds: Sequence[int],
    rendering: Rendering,
    category: Any,
) -> Asked:
    extra = {} if category is None else {"category": category}
    item = build_question(question, choices, golds, rendering, group=question, extra=extra)
    return part, item


def _split(answers: str) -> list[str]:
    return [_close(answer.strip()) for answer in answers.split(";") if answer.strip()]


def _close(answer: str) -> str:
    """An answer that ends in a full stop, as the paper's code has them."""
    return answer if answer.endswith(".") else f"{answer}."


TRUTHFULQA = Format(
    name="truthfulqa",
    columns=(frozenset(_TABLE), frozenset({"question", "mc1_targets", "mc2_targets"})),
    parts={"mc1": Part("honesty", "choice"), "mc2": Part("honesty", "mass")},
    build=_build,
    measures="whether true answers are likelier than common false beliefs (MC1, MC2)",
    source="Lin, Hilton and Evans 2022; Apache-2.0",
    hub=HubPlace("truthfulqa/truthful_qa", "multiple_choice", "validation"),
)
