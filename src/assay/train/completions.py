"""Completions that the model writes itself, and what a grader makes of them; no loss is here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.data import TokenSequence
from assay.data.asked import Asked
from assay.generate.engine import Engine, Generation, Sampling
from assay.graders.grade import Grade, Grader, Sample
from assay.graders.play import Playing, describe_call
from assay.tools.parse import parse_tool_calls

NGRAM = 4
"""Tokens of the stretches whose repetition is measured."""


@dataclass(frozen=True)
class Completion:
    """What the model wrote after a prompt, token by token.

    Attributes:
        token_ids: with the stop token that ended it; of an episode with what it was told between.
        sampled_logprobs: of each token that the model wrote under what was sampled from, nats.
        text: as the grader reads it.
        is_truncated: it ended by its length alone.
        grade: what the grader said.
        is_sampled: of each token whether the model wrote it; None where it wrote all.
        prompt_ids: what the model saw first, where that is not the row's own prompt.
    """

    token_ids: list[int]
    sampled_logprobs: list[float]
    text: str
    is_truncated: bool
    grade: Grade
    is_sampled: list[bool] | None = None
    prompt_ids: list[int] | None = None

    @property
    def num_tokens(self) -> int:
        """Those that the model wrote."""
        return len(self.token_ids) if self.is_sampled is None else sum(self.is_sampled)

    @property
    def mask(self) -> list[float]:
        """1 for each token that the model wrote, 0 for what it was told."""
        return [float(flag) for flag in self.is_sampled or [True] * len(self.token_ids)]

    @property
    def repetition(self) -> float:
        """Share of stretches of four tokens that stood there before; 0 for fewer tokens."""
        ids = self.token_ids
        grams = [tuple(ids[i : i + NGRAM]) for i in range(len(ids) - NGRAM + 1)]
        return 1 - len(set(grams)) / len(grams) if grams else 0.0


@dataclass(frozen=True)
class Group:
    """All completions of one prompt, and its place among the prompts of the step."""

    prompt: TokenSequence
    place: int
    completions: list[Completion]

    @property
    def rewards(self) -> list[float]:
        return [one.grade.reward for one in self.completions]

    @property
    def is_informative(self) -> bool:
        """Whether some completion got another reward than the others."""
        return len(set(self.rewards)) > 1


def write_groups(
    engine: Engine,
    grader: Grader,
    prompts: Sequence[TokenSequence],
    places: Sequence[int],
    sampling: Sampling,
    *,
    group_size: int,
    playing: Playing | None = None,
) -> list[Group]:
    """Sample `group_size` completions of each prompt, and grade all of them together.

    `places` are those of the prompts in the whole step: what is sampled depends on them and on
    the seed of `sampling`, not on which prompts stand beside. With `playing` a completion is an
    episode in an environment that is set up with the prompt's row.

    Raises:
        GenerationError: an environment fails.
    """
    owners = [prompt for prompt in prompts for _ in range(group_size)]
    at = [place * group_size + i for place in places for i in range(group_size)]
    if playing is not None:
        written = _play(playing, engine, grader, owners, sampling, at)
    else:
        asked = [prompt.input_ids for prompt in owners]
        generations = engine.generate(asked, sampling, places=at) if asked else []
        grades = grade(grader, owners, generations)
        written = [_complete(one, told) for one, told in zip(generations, grades, strict=True)]
    return [
        Group(prompt, place, written[n * group_size : (n + 1) * group_size])
        for n, (prompt, place) in enumerate(zip(prompts, places, strict=True))
    ]


def _play(
    playing: Playing,
    engine: Engine,
    grader: Grader,
    prompts: Sequence[TokenSequence],
    sampling: Sampling,
    places: Sequence[int],
) -> list[Completion]:
    """An episode of each prompt's row."""
    asked = [prompt.asked or Asked(()) for prompt in prompts]
    episodes = playing.play(engine, [build_row(one) for one in asked], sampling, places)
    samples = [one.to_sample() for one in episodes]
    grades = grader.grade(samples, [one.item for one in asked]) if samples else []
    return [
        Completion(
            one.token_ids,
            [
                value
                for value, flag in zip(one.sampled_logprobs, one.is_sampled, strict=True)
                if flag
            ],
            one.texts[-1],
            one.is_truncated,
            told,
            is_sampled=one.is_sampled,
            prompt_ids=one.prompt_ids,
        )
        for one, told in zip(episodes, grades, strict=True)
    ]


def build_row(asked: Asked) -> dict[str, Any]:
    """A row as environments are set up with it: every column, its prompt and tools among them."""
    return {**asked.item, "messages": list(asked.messages), "tools": list(asked.tools)}


def grade(
    grader: Grader, prompts: Sequence[TokenSequence], generations: Sequence[Generation]
) -> list[Grade]:
    """The grade of each completion beside its own prompt's item."""
    asked = [prompt.asked or Asked(()) for prompt in prompts]
    samples = [
        build_sample(one.text, told, generation=one)
        for one, told in zip(generations, asked, strict=True)
    ]
    return grader.grade(samples, [told.item for told in asked]) if samples else []


def build_sample(text: str, asked: Asked, *, generation: Generation | None = None) -> Sample:
    """A completion as graders read it; its tool calls are those that can be read from its text."""
    ids = () if generation is None else tuple(generation.token_ids)
    return Sample(
        output_text=text,
        messages=asked.messages,
        output_tools=read_calls(text),
        num_tokens=len(ids),
        finish_reason="stop" if generation is None else generation.finish_reason,
        token_ids=ids,
    )


def read_calls(text: str) -> tuple[dict[str, Any], ...]:
    """The tool calls in a completion, in OpenAI's form."""
    return tuple(describe_call(call) for call in parse_tool_calls(text).tool_calls)


def _complete(generation: Generation, grade: Grade) -> Completion:
    ids, logprobs = list(generation.token_ids), list(generation.sampled_logprobs)
    if generation.stop_token is not None:
        ids.append(generation.stop_token.token_id)
        logprobs.append(generation.stop_token.sampled_logprob)
    is_truncated = generation.finish_reason == "length"
    return Completion(ids, logprobs, generation.text, is_truncated, grade)
