"""Answers to prompts of the task under the recipe's own grader: what reinforcement is judged by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.data.asked import Asked
from assay.errors import EvaluationError
from assay.evaluate.items import Item, Score
from assay.evaluate.scorers import score_grade
from assay.generate import Engine, Sampling
from assay.pipeline.answers import Answer

if TYPE_CHECKING:
    from assay.chat import ChatTokenizer
    from assay.graders import Grader, Sample
    from assay.graders.play import Playing


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
    return _grade(grader, items, samples)


def play_items(
    playing: Playing,
    engine: Engine,
    grader: Grader,
    items: Sequence[Item],
    sampling: Sampling,
    *,
    system: str | None,
    chunk: int,
    on_count: Callable[[int, int], None],
) -> tuple[dict[str, Answer], dict[str, Score]]:
    """An episode of each item: its last turn, and the reward of the whole, by item id.

    Args:
        system: a system prompt before items that have none.
        chunk: episodes that are played together; what is sampled does not depend on it.
        on_count: is told the episodes that have ended, and all.

    Raises:
        GenerationError: the environment fails.
    """
    samples: list[Sample] = []
    for start in range(0, len(items), chunk):
        part = items[start : start + chunk]
        rows = [_build_row(item, system) for item in part]
        places = range(start, start + len(part))
        samples += [one.to_sample() for one in playing.play(engine, rows, sampling, places)]
        on_count(len(samples), len(items))
    answers = {
        item.id: Answer(one.output_text, one.finish_reason == "length")
        for item, one in zip(items, samples, strict=True)
    }
    return answers, _grade(grader, items, samples)


def _build_row(item: Item, system: str | None) -> dict[str, Any]:
    has_own = item.messages[0].get("role") in ("system", "developer")
    start = [] if system is None or has_own else [{"role": "system", "content": system}]
    messages = [*start, *item.messages]
    return {**item.extra, "messages": messages, "tools": list(item.tools or ())}


def _grade(grader: Grader, items: Sequence[Item], samples: Sequence[Sample]) -> dict[str, Score]:
    grades = grader.grade(samples, [item.extra for item in items])
    return {
        item.id: score_grade(
            one.reward, errors=one.errors, detail=one.detail, parts=one.sub_rewards
        )
        for item, one in zip(items, grades, strict=True)
    }
