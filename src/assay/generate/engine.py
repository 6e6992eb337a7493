"""What every engine gives: completions of prompts, and log-probabilities of given sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from assay.errors import GenerationError

Progress = Callable[[int, int], None]
"""Takes the number of finished prompts and of all."""


@dataclass(frozen=True)
class Sampling:
    """How to decode. Temperature 0 is greedy; `seed` and a prompt's place decide its sample.

    `top_p` in (0, 1] keeps the smallest set of tokens of that probability (Holtzman et al. 2020).
    `stop_ids` end a completion; empty means the tokenizer's own stop tokens. So does the first of
    the strings `stop` that its text has, wherever tokens begin and end. With `json_schema` the
    text is JSON that fits it, unless its length ends it before.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop_ids: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None


def compute_seed(sampling: Sampling, place: int) -> int:
    """The seed of the sample at `place`, below 2**62."""
    return (sampling.seed * 1_000_003 + place) % (1 << 62)


def check_prompts(
    prompts: Sequence[Sequence[int]], sampling: Sampling, context_len: int | None
) -> None:
    """Refuse what no engine can complete.

    Raises:
        GenerationError: a prompt is empty or leaves no room in the context, or a stop string is
            empty.
    """
    if "" in sampling.stop:
        raise GenerationError("a stop string is empty; leave it out")
    for number, prompt in enumerate(prompts):
        if not prompt:
            raise GenerationError(f"prompt {number} is empty; give at least one token")
        if context_len and len(prompt) >= context_len:
            raise GenerationError(
                f"prompt {number} has {len(prompt)} tokens and leaves no room in the context of"
                f" {context_len}; shorten it or use fewer shots"
            )


@dataclass(frozen=True)
class Drawn:
    """A token as it was drawn, with its log-probability (nats) under the model at temperature 1,
    and under the distribution that was sampled from; greedy decoding has one of a single token.
    Either is NaN where an engine does not tell."""

    token_id: int
    logprob: float
    sampled_logprob: float


@dataclass(frozen=True)
class Generation:
    """One completion.

    Attributes:
        token_ids: all that was drawn but for a stop token; with those that spell a stop string.
        text: ends before the stop string.
        logprobs: of each token under the model at temperature 1; empty where an engine does not
            tell.
        finish_reason: ``stop`` for stop tokens and strings, ``length`` for no more room.
        sampled_logprobs: of each token under what was sampled from: at the temperature, within the
            nucleus, and of what the schema allows; empty where an engine does not tell.
        stop_token: the stop token that was drawn; None where something else ended it.
    """

    token_ids: list[int]
    text: str
    logprobs: list[float]
    finish_reason: Literal["stop", "length"]
    sampled_logprobs: list[float] = field(default_factory=list)
    stop_token: Drawn | None = None


@dataclass(frozen=True)
class SequenceScore:
    """Weighted sum of the log-probabilities (nats) of the supervised tokens, and their weight."""

    sum_logprob: float
    weight: float


class Engine(Protocol):
    """A model that completes and scores token sequences."""

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        on_progress: Progress | None = None,
        *,
        places: Sequence[int] | None = None,
    ) -> list[Generation]:
        """One completion for each prompt, in order.

        `places` are the prompts' places in all that is asked, where these are a part of it: a
        sample is then the same however the whole is divided. Without it they are 0, 1, …
        """
        ...

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[str]:
        """The completion's text in pieces, as they come."""
        ...

    def score(
        self, sequences: Sequence[tuple[Sequence[int], Sequence[float]]]
    ) -> list[SequenceScore]:
        """Log-probabilities of (token ids, loss mask) sequences, in order."""
        ...
