"""One sequence of tokens with its loss mask, and how it is shortened; knows no template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from assay.data.answers import Answer, AnswerRow
from assay.data.asked import Asked
from assay.data.records import Kind


@dataclass(frozen=True)
class TokenSequence:
    """Tokens of one record, or of one turn of it where the template needs that.

    Attributes:
        input_ids: T token ids.
        loss_mask: T weights from 0; above 0 where the token is a trained target.
        record_id: id of the record; several sequences can share it.
        place: `file:line` of the record.
        num_turns: stretches of trained tokens, that is, trained answers.
        num_stopped_turns: those that hold a token at which generation stops.
        is_truncated: the beginning was cut off.
        is_inferred: the template does not show where an answer begins; it was inferred.
        num_straddling_tokens: tokens across the border of an answer, left untrained.
        is_anchored: its answers are not learned; there the model is held to its base.
        rejected: of a row of preference the prompt with the rejected answer; the sequence itself is
            the chosen one.
        is_wanted: of a rated row how its answer was rated.
        mismatched: of a rated row the prompt with another row's answer (`assay.data.mismatch`).
        ref_logprob: the sum of its trained tokens' log-probabilities under the reference, nats.
        asked: of a row of prompts what its grader is told; the sequence is the prompt alone.
        margin: of a pair, by how much the chosen answer's reward is to be the greater.
        step_labels: of an answer whose steps are judged, whether each is right.
        steps: the prompt with that answer up to the end of each step but the last one.
    """

    input_ids: list[int]
    loss_mask: list[float]
    record_id: str
    kind: Kind
    place: str
    num_turns: int = 0
    num_stopped_turns: int = 0
    is_truncated: bool = False
    is_inferred: bool = False
    num_straddling_tokens: int = 0
    is_anchored: bool = False
    rejected: TokenSequence | None = None
    is_wanted: bool | None = None
    mismatched: TokenSequence | None = None
    ref_logprob: float = 0.0
    asked: Asked | None = None
    margin: float = 0.0
    step_labels: tuple[bool, ...] = ()
    steps: tuple[TokenSequence, ...] = ()

    @property
    def is_compared(self) -> bool:
        """Whether whole answers of it are compared or judged, and not its tokens learned."""
        return self.rejected is not None or self.is_wanted is not None or bool(self.step_labels)

    @cached_property
    def row(self) -> AnswerRow:
        """What losses of whole answers are given of it."""
        sides = (*self.steps, self) if self.rejected is None else (self, self.rejected)
        return AnswerRow(
            tuple(one.answer for one in sides),
            is_wanted=self.is_wanted is not False,
            mismatched=None if self.mismatched is None else self.mismatched.answer,
            weight=float(len(self.step_labels) or 1),
            margin=self.margin,
            step_labels=self.step_labels,
        )

    @property
    def answer(self) -> Answer:
        return Answer(self.input_ids, self.loss_mask, self.ref_logprob)

    @property
    def num_tokens(self) -> int:
        """Tokens that a training step computes; a prompt that both answers share counts once."""
        return self.row.num_tokens if self.is_compared else len(self.input_ids)

    @cached_property
    def num_trained_tokens(self) -> int:
        """Targets; the first token has nothing before it and is never one."""
        return _flag_trained(self.loss_mask).count(1, 1)


def keep_end(sequence: TokenSequence, *, max_seq_len: int) -> TokenSequence | None:
    """The last `max_seq_len` tokens, or None where the last trained turn would not survive whole.

    An earlier turn that the cut divides, or leaves without a token before it, is not trained.
    """
    return cut_start(sequence, num_tokens=len(sequence.input_ids) - max_seq_len)


def cut_start(sequence: TokenSequence, *, num_tokens: int) -> TokenSequence | None:
    """As `keep_end` has it, without the first `num_tokens` tokens."""
    cut = num_tokens
    if cut <= 0:
        return sequence
    runs = find_runs(sequence.loss_mask)
    if not runs or runs[-1][0] <= cut:
        return None
    loss_mask = sequence.loss_mask[cut:]
    divided = next((end - cut for start, end in runs if start <= cut < end), 0)
    loss_mask[:divided] = [0.0] * divided
    return replace(
        sequence, input_ids=sequence.input_ids[cut:], loss_mask=loss_mask, is_truncated=True
    )


def find_runs(loss_mask: Sequence[float]) -> list[tuple[int, int]]:
    """Stretches `[start, end)` of trained tokens, in order."""
    flags = _flag_trained(loss_mask) + b"\0"
    runs: list[tuple[int, int]] = []
    end = 0
    while (start := flags.find(1, end)) >= 0:
        end = flags.find(0, start)
        runs.append((start, end))
    return runs


def _flag_trained(loss_mask: Sequence[float]) -> bytes:
    """A byte a token, 1 where it is trained: searched and counted much faster than floats."""
    return bytes(map(bool, loss_mask))


def count_turns(sequence: TokenSequence, *, eos_ids: frozenset[int]) -> TokenSequence:
    """The sequence with the number of its trained turns, and of those that hold a stop token."""
    runs = find_runs(sequence.loss_mask)
    stopped = sum(not eos_ids.isdisjoint(sequence.input_ids[start:end]) for start, end in runs)
    return replace(sequence, num_turns=len(runs), num_stopped_turns=stopped)
