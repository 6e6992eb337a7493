"""Whole answers with their prompts, as losses of pairs and of rated rows take them; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from assay.data.shared import count_shared


@dataclass(frozen=True)
class Answer:
    """An answer after its prompt: T token ids, and T loss weights that are above 0 on the answer.

    `ref_logprob` is the sum of its tokens' log-probabilities under the reference, in nats; 0 where
    a loss has no reference.
    """

    input_ids: list[int]
    loss_mask: list[float]
    ref_logprob: float = 0.0


@dataclass(frozen=True)
class AnswerRow:
    """What a loss of whole answers is given of one row.

    Attributes:
        answers: the chosen and the rejected one of a pair, or the one that is rated.
        is_wanted: how a rated answer is rated; of a pair it says nothing.
        weight: what the row adds to the divisor of a step's loss.
        mismatched: the prompt with another row's answer, by which the divergence from the reference
            is estimated; None where no loss asks for it.
        margin: by how much the reward of a pair's chosen answer is to be the greater, at least.
    """

    answers: tuple[Answer, ...]
    is_wanted: bool = True
    weight: float = 1.0
    mismatched: Answer | None = None
    margin: float = 0.0

    @property
    def is_pair(self) -> bool:
        return len(self.answers) == 2

    @cached_property
    def num_tokens(self) -> int:
        """Tokens that are computed: those that both answers of a pair begin with count once."""
        ids = [answer.input_ids for answer in self.answers]
        shared = count_shared(*ids) if self.is_pair else 0
        return sum(map(len, ids)) - shared
