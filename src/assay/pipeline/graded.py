"""Answers to prompts of the task under the recipe's own grader: what reinforcement is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.data.asked import Asked
from assay.errors import EvaluationError
from assay.evaluate.items import Item, Score
from assay.evaluate.scorers import score_grade
from assay.pipeline.answers import Answer

if TYPE_CHECKING:
    from assay.chat import ChatTokenizer
    from assay.graders import Grader


def score_by_grader(
    grader: Grader | None,
    items: Sequence[Item],
    answers: Sequence[Answer],
    tokenizer: ChatTokenizer,
) -> dict[str, Score]:
    """The reward of each answer by item id, as the grader reads it beside the item's columns.

    Of an answer the text alone is kept: its tokens are counted by the `tokenizer`.

    Raises:
        EvaluationError: there are such items and no grader.
    """
    from assay.train.completions import build_sample

    if not items:
        return {}
    if grader is None:
        raise EvaluationError("items of metric reward need the grader of the recipe's objective")
    samples = []
    for item, answer in zip(items, answers, strict=True):
        sample = build_sample(answer.text, Asked(tuple(item.messages)))
        reason = "length" if answer.ended_by_length else "stop"
        num_tokens = len(tokenizer.encode(answer.text))
        samples.append(replace(sample, finish_reason=reason, num_tokens=num_tokens))
    grades = grader.grade(samples, [item.extra for item in items])
    return {
        item.id: score_grade(
            one.reward, errors=one.errors, detail=one.detail, parts=one.sub_rewards
        )
        for item, one in zip(items, grades, strict=True)
    }
