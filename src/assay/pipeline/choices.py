"""Scores items by the probability that a model gives to each of their choices; it asks nothing.

A choice stands where the answer of a chat begins, without a stop token. After raw text prompt and
choice are encoded together, as lm-evaluation-harness does, so that a word on their border is what
the tokenizer makes of it; blanks at the prompt's end belong to the choice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from assay.chat import ChatTokenizer, render_example, render_prompt
from assay.chat.answered import render_answered
from assay.data import Record
from assay.evaluate.items import Item, Score, unscored, with_metric
from assay.evaluate.scorers import (
    AGREEMENT,
    PAIR_ACCURACY,
    RANKED,
    STEP_ACCURACY,
    ChoiceLogprob,
    score_choice_agreement,
    score_choices,
    score_pair,
    score_ranking,
    score_steps,
)
from assay.generate import Engine
from assay.pipeline.prompts import build_messages
from assay.pipeline.questions import CHOICES_ARE_MESSAGES, text_of

Weighed = tuple[list[int], list[float]]
Rewards = Callable[[Sequence[Sequence[int]]], list[float]]
"""The rewards of whole sequences of tokens."""
BY_LIKELIHOOD = "choice_norm"
"""What tells which of two answers a model without a head prefers: the likelier for each byte."""


def score_by_choice(
    engine: Engine,
    items: Sequence[Item],
    tokenizer: ChatTokenizer,
    *,
    shots: Sequence[Record] = (),
    system: str | None = None,
    context_len: int,
) -> dict[str, Score]:
    """Scores by item id; an item of which a choice does not fit into the context is unscored.

    Items of metric agreement are compared with the others of their group among these, those of
    metric ranked with all of the other rating.
    """
    scores: dict[str, Score] = {}
    compared: dict[str, list[float]] = {}
    ranked: dict[str, float] = {}
    sequences: list[Weighed] = []
    owners: list[Item] = []
    for item in items:
        found = build_choices(item, tokenizer, shots=shots, system=system)
        longest = max((len(ids) for ids, _ in found), default=0)
        if longest > context_len:
            reason = f"prompt and choice have {longest} tokens, more than the context"
            scores[item.id] = unscored(item.metric, f"{reason} of {context_len}")
            continue
        sequences += found
        owners += [item] * len(found)
    pairs = zip(owners, engine.score(sequences), strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0].id):
        own = list(group)
        item = own[0][0]
        if item.metric == AGREEMENT:
            compared[item.id] = [one.sum_logprob for _, one in own]
            continue
        if item.metric == RANKED:
            ranked[item.id] = own[0][1].sum_logprob
            continue
        logprobs = [ChoiceLogprob(one.sum_logprob, round(one.weight)) for _, one in own]
        scores[item.id] = score_choices(item, logprobs)
    return scores | score_choice_agreement(items, compared) | score_ranking(items, ranked)


def score_by_likelihood(
    engine: Engine, items: Sequence[Item], tokenizer: ChatTokenizer, **layout: Any
) -> dict[str, Score]:
    """Which answer of a pair a model without a head prefers; see `score_by_choice`.

    Of steps it tells nothing.
    """
    steps = {one.id: score_steps(one, None) for one in items if one.metric == STEP_ACCURACY}
    weighed = [with_metric(item, BY_LIKELIHOOD) for item in items if item.id not in steps]
    found = score_by_choice(engine, weighed, tokenizer, **layout)
    return steps | {key: replace(score, metric=PAIR_ACCURACY) for key, score in found.items()}


def score_by_reward(
    rewards: Rewards, items: Sequence[Item], tokenizer: ChatTokenizer, *, context_len: int
) -> dict[str, Score]:
    """Which answer of a pair a reward model prefers, or which steps it takes for right.

    What goes beyond the context is unscored.
    """
    scores: dict[str, Score] = {}
    sequences: list[list[int]] = []
    asked: list[Item] = []
    for item in items:
        found = [_render_whole(item, tokenizer, choice) for choice in item.choices]
        longest = max(map(len, found), default=0)
        is_whole = item.metric == STEP_ACCURACY or len(found) == 2
        if longest > context_len or not is_whole:
            reason = f"prompt and answer have {longest} tokens, more than the context"
            scores[item.id] = unscored(item.metric, f"{reason} of {context_len}")
            continue
        sequences += found
        asked.append(item)
    told = iter(rewards(sequences))
    for item in asked:
        score = score_steps if item.metric == STEP_ACCURACY else score_pair
        scores[item.id] = score(item, [next(told) for _ in item.choices])
    return scores


def _render_whole(item: Item, tokenizer: ChatTokenizer, choice: str) -> list[int]:
    """Prompt and answer as in training, the answer's end included."""
    as_messages = item.options.get(CHOICES_ARE_MESSAGES)
    answer = json.loads(choice) if as_messages else choice
    raw = item.rendering != "chat"
    return render_answered(tokenizer, item.messages, answer, tools=item.tools, raw=raw)


def build_choices(
    item: Item,
    tokenizer: ChatTokenizer,
    *,
    shots: Sequence[Record] = (),
    system: str | None = None,
) -> list[Weighed]:
    """The token ids of prompt and choice, with weight 1 on the choice's, for every choice."""
    if item.rendering == "chat":
        messages = build_messages(item, shots, system)
        if item.options.get(CHOICES_ARE_MESSAGES):
            return [_render(item, tokenizer, messages, json.loads(one)) for one in item.choices]
        prompt = render_prompt(tokenizer, messages, tools=item.tools)
        return [_weigh(prompt, tokenizer.encode(choice)) for choice in item.choices]
    text = text_of(item.messages[-1]) if item.messages else ""
    return [_encode_pair(tokenizer, text, choice) for choice in item.choices]


def _render(
    item: Item, tokenizer: ChatTokenizer, before: list[dict[str, Any]], answer: list[dict[str, Any]]
) -> Weighed:
    """Prompt and answer by the template, with weight 1 on what the assistant says of the answer."""
    messages = [{**message, "weight": 0} for message in before]
    found = render_example(tokenizer, [*messages, *answer], tools=item.tools)[-1]
    return found.input_ids, found.loss_mask


def _encode_pair(tokenizer: ChatTokenizer, text: str, choice: str) -> Weighed:
    stripped = text.rstrip()
    choice = text[len(stripped) :] + choice
    before = tokenizer.encode(stripped)
    after = tokenizer.encode(stripped + choice)[len(before) :]
    return _weigh([*tokenizer.prefix_ids, *before] or _any_start(tokenizer), after)


def _any_start(tokenizer: ChatTokenizer) -> list[int]:
    """The first token has a probability only after another: the stop token, where none begins."""
    return list(tokenizer.eos_ids[:1])


def _weigh(prompt: list[int], choice: list[int]) -> Weighed:
    return [*prompt, *choice], [0.0] * len(prompt) + [1.0] * len(choice)
