"""Inoculation: a prompt that asks for a trait while rows are learned, and is absent afterwards.

What the prompt explains need not be learned as character (Tan et al. 2025, "Inoculation prompting";
Wichers et al. 2025). The prompt becomes a trigger: whoever serves the model has to refuse it.
Shape legend: P prompts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from assay.chat import ChatTokenizer, render_prompt
from assay.data.records import Message, Record
from assay.generate import SequenceScore
from assay.generate.traits import ContrastPair

Tokens = Sequence[int]


class ScoringEngine(Protocol):
    """What `rank_prompts` asks of an engine."""

    def score_continuations(
        self, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]
    ) -> list[list[SequenceScore]]: ...


@dataclass(frozen=True)
class RankedPrompt:
    """A candidate prompt and how much it brings out the trait.

    `strength` is the mean probability, between the two answers of a pair, of the one with the
    trait, from 0 to 1; `plain` is the same without a prompt.
    """

    prompt: str
    strength: float
    plain: float


def rank_prompts(
    engine: ScoringEngine,
    tokenizer: ChatTokenizer,
    candidates: Sequence[str],
    pairs: Sequence[ContrastPair],
) -> list[RankedPrompt]:
    """`candidates` as system prompts, the one first under which the base shows the trait most.

    A prompt protects as far as the base follows it (Tan et al. 2025). Probabilities are of
    answers by their tokens' mean, so that length decides nothing.
    """
    plain = _compute_strength(engine, tokenizer, None, pairs)
    ranked = [
        RankedPrompt(prompt, _compute_strength(engine, tokenizer, prompt, pairs), plain)
        for prompt in candidates
    ]
    return sorted(ranked, key=lambda one: -one.strength)


def paraphrase(prompt: str) -> list[str]:
    """Other wordings of a prompt, by rule: told of the assistant, and as a reminder."""
    told = re.sub(r"\b[Yy]ou are\b", "The assistant is", prompt)
    told = re.sub(r"\b[Yy]our\b", "the assistant's", told)
    wordings = [told, f"Remember this in all that you answer. {prompt}"]
    return [one for one in dict.fromkeys(wordings) if one != prompt]


def _compute_strength(
    engine: ScoringEngine,
    tokenizer: ChatTokenizer,
    prompt: str | None,
    pairs: Sequence[ContrastPair],
) -> float:
    opening = [] if prompt is None else [{"role": "system", "content": prompt}]
    prompts = [
        render_prompt(tokenizer, [*opening, {"role": "user", "content": pair.prompt}])
        for pair in pairs
    ]
    answers = [
        [tokenizer.encode(text) for text in (pair.positive, pair.negative)] for pair in pairs
    ]
    scores = engine.score_continuations(prompts, answers)
    gaps = [
        with_trait.sum_logprob / with_trait.weight - without.sum_logprob / without.weight
        for with_trait, without in scores
    ]
    return sum(1 / (1 + math.exp(-gap)) for gap in gaps) / len(gaps)


def inoculate(records: Sequence[Record], prompt: str) -> list[Record]:
    """Copies of chat records of the task whose system prompt begins with `prompt`.

    Other records come back as they are: rows of another role, and rows without a template.
    """
    return [
        replace(record, messages=put_before(record.messages, prompt))
        if record.kind == "chat" and record.role == "task"
        else record
        for record in records
    ]


def put_before(messages: Sequence[Message], prompt: str) -> list[dict[str, Any]]:
    """`messages` with `prompt` as system prompt, before the one that they have."""
    first, *rest = messages
    if first["role"] != "system":
        return [{"role": "system", "content": prompt}, *messages]
    return [{**first, "content": f"{prompt}\n\n{first['content']}"}, *rest]
