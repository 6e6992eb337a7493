"""Rollouts: before a step the model writes, a grader judges, and the step's rows are made of it.

What is sampled is a pure function of the weights, the rollout's number and the seed, so a resumed
run samples the same again. Where several updates learn from one rollout its rows are kept on disk
until no checkpoint needs them. Shape legend: see `assay.train.credit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from assay.data import TokenSequence
from assay.data.answers import Answer, AnswerRow, Sampled
from assay.data.pack import PackedBatch
from assay.generate.engine import Engine
from assay.graders.grade import Grader
from assay.graders.play import Playing
from assay.losses.advantages import shape_overlong
from assay.train.completions import Group
from assay.train.credit import Credit, GaeCredit, Graded
from assay.train.kept_rollouts import KeptRollouts
from assay.train.kl_control import KlControl
from assay.train.meter import Meter
from assay.train.ranks import ALONE, Ranks
from assay.train.rollout_logprobs import AsReference, LogprobTeller, add_told
from assay.train.rollout_rows import build_rows, pack_rows, weigh_rows
from assay.train.rollout_settings import RolloutSettings
from assay.train.rollout_stats import add_stats
from assay.train.writer import Writer


class Rollouts:
    """The micro-batches of each step of one of several `ranks`; called with the step from 0 on.

    Args:
        model: the causal model that learns, in `packed_mode`; its adapters are part of it.
        engine: decodes with that model.
        grader: judges.
        prompts: of all ranks.
        credit: makes advantages of rewards.
        settings: see there.
        as_reference: needed where a divergence from it is asked for.
        kept: where rows stay for later updates; None keeps them in memory alone.
        parts: names of the parts of a combined grader.
        playing: how completions are episodes in an environment, where they are.
        held_out: judges completions of prompts that are not trained on; by default `grader` does.
        control: the weight of the divergence in the reward, by rollout; by default as `settings`.
    """

    def __init__(
        self,
        model: Any,
        engine: Engine,
        grader: Grader,
        prompts: Sequence[TokenSequence],
        credit: Credit,
        settings: RolloutSettings,
        *,
        as_reference: AsReference | None = None,
        kept: KeptRollouts | None = None,
        parts: Sequence[str] = (),
        playing: Playing | None = None,
        ranks: Ranks = ALONE,
        control: KlControl | None = None,
        held_out: Grader | None = None,
    ) -> None:
        self.writer = Writer(model, engine, grader, prompts, settings, playing, ranks, held_out)
        # A grader of held-out prompts has parts of its own, which no metric is named after.
        self.held_out_parts = parts if held_out is None else ()
        self.teller = LogprobTeller(model, settings, as_reference)
        self.credit, self.settings = credit, settings
        self.kept, self.parts = kept, parts
        self.ranks = ranks
        self.control = control or KlControl(settings.kl_in_reward)
        self.number = -1
        self.rows: list[AnswerRow] = []
        self.groups: list[Group] = []
        self.num_learned = 0

    def __call__(self, step: int) -> list[PackedBatch]:
        """This rank's micro-batches of `step`; collective."""
        number = step // self.settings.updates
        if number != self.number:
            if step % self.settings.updates:
                assert self.kept is not None, "a tuning keeps what it goes on from"
                self.rows, self.groups = self.kept.read(number, self.ranks), []
            else:
                self.rows = self._roll_out(number)
            self.number = number
        return pack_rows(self.rows, token_budget=self.settings.token_budget)

    def tell(self, meter: Meter) -> None:
        """Hand `meter` what the last rollout measured."""
        add_stats(meter, self.groups, self.parts, num_learned=self.num_learned)
        if self.control.target is not None:
            meter.add({"beta": torch.tensor(self.control.get(self.number))}, 1.0)

    def measure(self, prompts: Sequence[TokenSequence]) -> list[Group]:
        """See `Writer.measure`."""
        return self.writer.measure(prompts)

    def _roll_out(self, number: int) -> list[AnswerRow]:
        """Sample, grade, assign credit: this rank's rows of a rollout."""
        groups = self.writer.write(number)
        rows = build_rows(groups, token_budget=self.settings.token_budget)
        answers = self.teller.tell(rows)
        advantages, returns, kept = self._assign(number, groups, answers)
        if returns:
            pairs = zip(answers, returns, strict=True)
            answers = [add_told(one, returns=own) for one, own in pairs]
        settings = self.settings
        rows = weigh_rows(
            _put_back(rows, answers),
            advantages,
            kept,
            average=settings.average,
            max_new_tokens=settings.max_new_tokens,
        )
        self.groups, self.num_learned = groups, sum(kept)
        if self.kept is not None and settings.updates > 1:
            self.kept.keep(number, rows, self.ranks)
        return rows

    def _assign(
        self, number: int, groups: Sequence[Group], answers: Sequence[Answer]
    ) -> tuple[list[list[float]], list[list[float]], list[bool]]:
        """Advantages of each answer's tokens, what its values are to be (nothing without a value
        head), and whether it is learned from; collective."""
        settings = self.settings
        every = [one for group in groups for one in group.completions]
        lengths = [one.num_tokens for one in every]
        rewards_S = shape_overlong(
            torch.tensor([one.grade.reward for one in every]),
            torch.tensor(lengths),
            max_new_tokens=settings.max_new_tokens,
            margin=settings.overlong_margin,
        )
        beta = self.control.get(number)
        penalties = [x for one in answers for x in _penalise(one.sampled, beta)]
        self._note_kl(number, answers)
        values = [x for one in answers if one.sampled for x in one.sampled.values]
        graded = Graded(
            rewards_S.view(len(groups), -1) if groups else rewards_S.view(0, 1),
            lengths,
            torch.tensor(penalties) if penalties else torch.zeros(sum(lengths)),
            torch.tensor(values) if settings.needs_values else None,
        )
        advantages_N, kept = self.credit.assign(graded, self.ranks)
        returns = []
        if isinstance(self.credit, GaeCredit):
            returns = _split(self.credit.compute_returns(graded), lengths)
        if settings.mask_truncated:
            flags = zip(kept, every, strict=True)
            kept = [flag and not one.is_truncated for flag, one in flags]
        (num_kept,) = self.ranks.sum(float(sum(kept)))
        if not num_kept:
            # A step needs something to divide by; without credit it teaches nothing.
            advantages_N, kept = torch.zeros_like(advantages_N), [True] * len(every)
        return _split(advantages_N, lengths), returns, kept

    def _note_kl(self, number: int, answers: Sequence[Answer]) -> None:
        """Tell the control how far the model is from its reference, a completion; collective."""
        if self.control.target is None:
            return
        total = sum(x for one in answers for x in _penalise(one.sampled, 1.0))
        total, count = self.ranks.sum(total, float(len(answers)))
        self.control.note(number, kl=total / max(count, 1.0), num_completions=int(count))


def _put_back(rows: Sequence[AnswerRow], answers: Sequence[Answer]) -> list[AnswerRow]:
    told = iter(answers)
    return [replace(row, answers=tuple(next(told) for _ in row.answers)) for row in rows]


def _split(values_N: Tensor, lengths: list[int]) -> list[list[float]]:
    """The numbers of each completion's tokens."""
    return [part.tolist() for part in torch.split(values_N, lengths)] if lengths else []


def _penalise(sampled: Sampled | None, beta: float) -> list[float]:
    """β k1 of each token: what the divergence takes from its reward."""
    if sampled is None or not beta:
        return []
    pairs = zip(sampled.old_logprobs, sampled.ref_logprobs, strict=True)
    return [beta * (old - ref) for old, ref in pairs]
