"""What every engine gives: completions of prompts, and log-probabilities of given sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Progress = Callable[[int, int], None]
"""Takes the number of finished prompts and of all."""


@dataclass(frozen=True)
class Sampling:
    """How to decode. Temperature 0 is greedy; `seed` and a prompt's place decide its sample.

    `top_p` in (0, 1] keeps the smallest set of tokens of that probability (Holtzman et al. 2020).
    `stop_ids` end a completion; empty means the tokenizer's own stop tokens.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Generation:
    """One completion: its tokens without the stop token, its text, the log-probability of each
    token under the model at temperature 1, and why it ended."""

    token_ids: list[int]
    text: str
    logprobs: list[float]
    finish_reason: Literal["stop", "length"]


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
