"""Evaluation items and few-shot examples from records; it renders nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from assay.data import Record, to_prompt
from assay.data.step_rows import list_prefixes
from assay.evaluate.items import Item, draw_sample
from assay.evaluate.scorers import GRADED, RANKED, STEP_ACCURACY

SUITE_NAME = "task"
CHOICES_ARE_MESSAGES = "choices_are_messages"
"""Option of an item whose choices are lists of messages as JSON: calls, and what follows them."""
HEADS = ("system", "developer")


def build_items(records: Sequence[Record], *, max_items: int, seed: int, metric: str) -> list[Item]:
    """One item a record, at most `max_items`, drawn by seed and kept in the records' order.

    Records of plain text have no question: they are scored by perplexity.
    """
    chosen = draw_sample(records, max_items=max_items, seed=seed)
    return [_build_item(record, metric) for record in chosen]


def _build_item(record: Record, metric: str) -> Item:
    if record.rejected is not None:
        return _build_choices(record, [record.rejected], metric, plain="choice_norm")
    if record.step_labels is not None:
        return _build_steps(record, record.step_labels)
    if record.is_wanted is not None:
        return _build_choices(record, [], metric, plain=RANKED)
    if record.is_prompt:
        return _build_graded(record)
    prompt = to_prompt(record)
    return Item(
        id=record.id,
        messages=prompt.messages,
        reference=prompt.reference,
        metric="perplexity" if record.kind == "text" else metric,
        tools=record.tools,
        group=record.group,
        suite=SUITE_NAME,
        extra=record.extra,
        rendering=record.kind,
    )


def _build_graded(record: Record) -> Item:
    """A prompt whose completions the recipe's grader judges, by the row's other columns."""
    return Item(
        id=record.id,
        messages=record.messages,
        metric=GRADED,
        tools=record.tools,
        group=record.group,
        suite=SUITE_NAME,
        extra=record.extra,
        rendering=record.kind,
    )


def _build_steps(record: Record, labels: Sequence[bool]) -> Item:
    """The answer up to the end of each of its steps, and which of them are right."""
    prompt, answer = to_prompt(record), text_of(record.messages[-1])
    return Item(
        id=record.id,
        messages=prompt.messages,
        reference=answer,
        metric=STEP_ACCURACY,
        tools=record.tools,
        group=record.group,
        suite=SUITE_NAME,
        extra=record.extra,
        rendering=record.kind,
        choices=tuple(list_prefixes(answer)),
        golds=tuple(place for place, flag in enumerate(labels) if flag),
    )


def _build_choices(
    record: Record, others: Sequence[list[dict[str, Any]]], metric: str, *, plain: str
) -> Item:
    """How likely the answers of a row are: for each byte, unless the recipe says otherwise."""
    start = record.answers_from
    answers = [record.messages[start:], *others]
    is_text = all(map(_is_text, answers))
    return Item(
        id=record.id,
        messages=to_prompt(record).messages[:start],
        reference=text_of(answers[0][-1]),
        metric=plain if metric == "auto" else metric,
        tools=record.tools,
        group=record.group,
        suite=SUITE_NAME,
        extra=record.extra,
        rendering=record.kind,
        options={} if is_text else {CHOICES_ARE_MESSAGES: True},
        choices=tuple(
            text_of(answer[0]) if is_text else json.dumps(answer, ensure_ascii=False)
            for answer in answers
        ),
        golds=() if record.is_wanted is False else (0,),
    )


def _is_text(messages: Sequence[dict[str, Any]]) -> bool:
    """Whether an answer is one message of nothing but text."""
    return len(messages) == 1 and set(messages[0]) <= {"role", "content"}


def choose_shots(records: Sequence[Record], *, num_shots: int, seed: int) -> list[Record]:
    """Examples for the prompt, drawn by seed from the training rows, of different groups first.

    Rows whose source has another role than the task serve only if all are such, and so do rows
    whose answer is not wanted.
    """
    records = [record for record in records if record.is_wanted is not False] or records
    records = [record for record in records if record.role == "task"] or records
    order = random.Random(f"shots:{seed}").sample(list(records), len(records))
    first: dict[str, Record] = {}
    for record in order:
        first.setdefault(record.group or record.id, record)
    distinct = list(first.values())
    rest = [record for record in order if record not in distinct[:num_shots]]
    return (distinct[:num_shots] + rest)[:num_shots]


def text_of(message: dict[str, Any]) -> str:
    """A message's text content, empty where it has none."""
    content = message.get("content")
    return content if isinstance(content, str) else ""


def usual_system_prompt(records: Sequence[Record]) -> str | None:
    """The system prompt that most records share, or None when most have none."""
    found: dict[str | None, int] = {}
    for record in records:
        first = record.messages[0] if record.messages else {}
        text = text_of(first) if first.get("role") in HEADS else None
        found[text] = found.get(text, 0) + 1
    return max(found, key=lambda text: found[text]) if found else None
