"""Whole answers with their prompts, as losses of pairs and of rated rows take them; no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from assay.data.shared import count_shared


@dataclass(frozen=True)
class Sampled:
    """What is known of a completion since the model wrote it: numbers of its trained tokens.

    Attributes:
        advantages: how much better than expected each was.
        sampled_logprobs: of the distribution that was sampled from, nats.
        old_logprobs: of the model that sampled, by the training pass; empty where that is the model
            that learns.
        ref_logprobs: of the reference; empty where there is none.
        values: what the model that sampled expected before each; empty without a value head.
        returns: what the value head is to expect; likewise.
    """

    advantages: list[float]
    sampled_logprobs: list[float]
    old_logprobs: list[float]
    ref_logprobs: list[float]
    values: list[float] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """An answer after its prompt: T token ids, and T loss weights that are above 0 on the answer.

    `ref_logprob` is the sum of its tokens' log-probabilities under the reference, in nats; 0 where
    a loss has no reference. `sampled` is known of completions that the model wrote itself.
    """

    input_ids: list[int]
    loss_mask: list[float]
    ref_logprob: float = 0.0
    sampled: Sampled | None = None


@dataclass(frozen=True)
class AnswerRow:
    """What a loss of whole answers is given of one row.

    Attributes:
        answers: the chosen and the rejected one of a pair, the one that is rated, completions that
            the model wrote of one prompt, or one answer up to the end of each of its steps.
        is_wanted: how a rated answer is rated; of a pair it says nothing.
        weight: what the row adds to the divisor of a step's loss.
        mismatched: the prompt with another row's answer, by which the divergence from the reference
            is estimated; None where no loss asks for it.
        margin: by how much the reward of a pair's chosen answer is to be the greater, at least.
        step_labels: of each answer, which ends with a step, whether that step is right.
    """

    answers: tuple[Answer, ...]
    is_wanted: bool = True
    weight: float = 1.0
    mismatched: Answer | None = None
    margin: float = 0.0
    step_labels: tuple[bool, ...] = ()

    @property
    def is_pair(self) -> bool:
        return len(self.answers) == 2 and not (self.is_sampled or self.step_labels)

    @property
    def is_sampled(self) -> bool:
        return self.answers[0].sampled is not None

    @cached_property
    def num_tokens(self) -> int:
        """Tokens that are computed: what an answer and the one before begin with counts once."""
        ids = [answer.input_ids for answer in self.answers]
        return sum(map(len, ids)) - sum(count_shared(*pair) for pair in pairwise(ids))
