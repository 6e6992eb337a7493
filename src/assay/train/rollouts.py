"""Rollouts: before a step the model writes, a grader judges, and the step's rows are made of it.

What is sampled is a pure function of the weights, the rollout's number and the seed, so a resumed
run samples the same again. Where several updates learn from one rollout its rows are kept on disk
until no checkpoint needs them. Shape legend: see `assay.train.credit`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from assay.data import TokenSequence
from assay.data.answers import Answer, AnswerRow, Sampled
from assay.data.pack import PackedBatch, plan_epoch
from assay.data.share import share_lengths
from assay.errors import CheckpointError
from assay.generate.engine import Engine, Sampling
from assay.graders.grade import Grader
from assay.graders.play import Playing
from assay.losses.advantages import shape_overlong
from assay.losses.averages import Average
from assay.train.answers import compute_answer_logprobs
from assay.train.completions import Group, write_groups
from assay.train.credit import Credit, GaeCredit, Graded
from assay.train.kl_control import KlControl
from assay.train.meter import Meter
from assay.train.ranks import ALONE, Ranks
from assay.train.rollout_rows import build_rows, pack_rows, read_rows, weigh_rows, write_rows
from assay.train.rollout_stats import add_stats
from assay.train.step import autocast

AsReference = Callable[[], AbstractContextManager[Any]]
"""Gives the reference for a while: a causal model in `packed_mode`."""


@dataclass(frozen=True)
class RolloutSettings:
    """How completions are sampled and made into rows; see the recipe's `objective` for most.

    Attributes:
        average: how tokens' losses become one number.
        kl_in_reward: what k1 of a token takes from its reward, in rewards a nat; 0 takes nothing.
            Where a target leads it, that of the first rollout.
        needs_reference: whether the loss asks for the reference's log-probabilities.
        needs_values: whether the credit asks for what a value head expected.
        token_budget: tokens of a micro-batch.
        batch_size: prompts of a step.
    """

    group_size: int
    max_new_tokens: int
    batch_size: int
    token_budget: int
    average: Average = "completion"
    temperature: float = 1.0
    top_p: float = 1.0
    updates: int = 1
    dynamic_sampling: int = 0
    overlong_margin: int = 0
    mask_truncated: bool = False
    kl_in_reward: float = 0.0
    needs_reference: bool = False
    needs_values: bool = False
    validation_samples: int = 1
    precision: str = "fp32"
    seed: int = 0

    @property
    def needs_old(self) -> bool:
        """Whether the sampling model's log-probabilities must be computed before the step."""
        return self.updates > 1 or self.kl_in_reward > 0 or self.needs_values

    def sampling(self, number: int) -> Sampling:
        """How the rollout of this number is sampled."""
        seed = random.Random(f"rollout:{self.seed}:{number}").getrandbits(32)
        return Sampling(self.max_new_tokens, self.temperature, self.top_p, seed)


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
        folder: keeps rollouts; None keeps none.
        parts: names of the parts of a combined grader.
        playing: how completions are episodes in an environment, where they are.
        find_oldest: the first step that any checkpoint may go on from.
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
        folder: Path | None = None,
        parts: Sequence[str] = (),
        playing: Playing | None = None,
        ranks: Ranks = ALONE,
        find_oldest: Callable[[], int] = lambda: 0,
        control: KlControl | None = None,
    ) -> None:
        self.model, self.engine, self.grader = model, engine, grader
        self.prompts, self.credit, self.settings = prompts, credit, settings
        self.as_reference, self.folder, self.parts = as_reference, folder, parts
        self.playing = playing
        self.ranks, self.find_oldest = ranks, find_oldest
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
                self.rows, self.groups = self._read(number), []
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
        """Completions of this rank's share of held-out `prompts`, greedy or sampled; graded."""
        settings = self.settings
        num = settings.validation_samples
        sampling = settings.sampling(-1)
        if num == 1:
            sampling = replace(sampling, temperature=0.0, top_p=1.0)
        share = self._share(prompts)
        return self._write([prompts[i] for i in share], share, sampling, group_size=num)

    def _roll_out(self, number: int) -> list[AnswerRow]:
        """Sample, grade, assign credit: this rank's rows of a rollout."""
        groups = self._sample(number)
        rows = build_rows(groups, token_budget=self.settings.token_budget)
        answers = self._tell_logprobs(rows)
        advantages, returns, kept = self._assign(number, groups, answers)
        if returns:
            pairs = zip(answers, returns, strict=True)
            answers = [_add(one, returns=own) for one, own in pairs]
        settings = self.settings
        rows = weigh_rows(
            _put_back(rows, answers),
            advantages,
            kept,
            average=settings.average,
            max_new_tokens=settings.max_new_tokens,
        )
        self.groups, self.num_learned = groups, sum(kept)
        self._keep(number, rows)
        return rows

    def _sample(self, number: int) -> list[Group]:
        settings = self.settings
        per_epoch = -(-len(self.prompts) // settings.batch_size)
        plan = plan_epoch(
            len(self.prompts),
            batch_size=settings.batch_size,
            seed=settings.seed,
            epoch=number // per_epoch,
        )
        wanted = plan[number % per_epoch]
        sampling = settings.sampling(number)
        groups = self._write_share(wanted, 0, sampling)
        others = [i for i in range(len(self.prompts)) if i not in set(wanted)]
        random.Random(f"more:{settings.seed}:{number}").shuffle(others)
        place, first = len(wanted), groups
        groups = [group for group in first if group.is_informative]
        for _ in range(settings.dynamic_sampling):
            (found,) = self.ranks.sum(float(len(groups)))
            missing = len(wanted) - int(found)
            chosen, others = others[:missing], others[missing:]
            if missing <= 0 or not chosen:
                break
            more = self._write_share(chosen, place, sampling)
            groups += [group for group in more if group.is_informative]
            place += len(chosen)
        if not settings.dynamic_sampling:
            return first
        (found,) = self.ranks.sum(float(len(groups)))
        return groups if found else first

    def _write_share(
        self, wanted: Sequence[int], first_place: int, sampling: Sampling
    ) -> list[Group]:
        """This rank's share of the prompts of the indices `wanted`."""
        prompts = [self.prompts[i] for i in wanted]
        share = self._share(prompts)
        return self._write(
            [prompts[i] for i in share],
            [first_place + i for i in share],
            sampling,
            group_size=self.settings.group_size,
        )

    def _share(self, prompts: Sequence[TokenSequence]) -> list[int]:
        lengths = [prompt.num_tokens for prompt in prompts]
        return share_lengths(lengths, self.ranks.num_ranks)[self.ranks.rank]

    def _write(
        self,
        prompts: Sequence[TokenSequence],
        places: Sequence[int],
        sampling: Sampling,
        *,
        group_size: int,
    ) -> list[Group]:
        device = next(self.model.parameters()).device
        with autocast(self.settings.precision, device):
            return write_groups(
                self.engine,
                self.grader,
                prompts,
                places,
                sampling,
                group_size=group_size,
                playing=self.playing,
            )

    def _tell_logprobs(self, rows: Sequence[AnswerRow]) -> list[Answer]:
        """All answers in order, with the log-probabilities that loss or reward ask for."""
        answers = [answer for row in rows for answer in row.answers]
        settings = self.settings
        if settings.needs_old:
            found = self._compute(self.model, rows)
            answers = [
                _add(one, old_logprobs=logprobs, values=values)
                for one, (logprobs, values) in zip(answers, found, strict=True)
            ]
        if settings.needs_reference or settings.kl_in_reward:
            assert self.as_reference is not None, "a divergence needs a reference"
            with self.as_reference() as reference:
                found = self._compute(reference, rows)
            answers = [
                _add(one, ref_logprobs=logprobs)
                for one, (logprobs, _) in zip(answers, found, strict=True)
            ]
        return answers

    @torch.no_grad()
    def _compute(
        self, model: Any, rows: Sequence[AnswerRow]
    ) -> list[tuple[list[float], list[float]]]:
        """The log-probabilities of each answer's tokens under `model`, without dropout, and what
        its value head expects before them; nothing without one."""
        settings, device = self.settings, next(model.parameters()).device
        training = model.training
        model.eval()
        numbers = {id(answer): n for n, answer in enumerate(a for row in rows for a in row.answers)}
        found: dict[int, tuple[list[float], list[float]]] = {}
        for batch in pack_rows(rows, token_budget=settings.token_budget):
            with autocast(settings.precision, device):
                told = compute_answer_logprobs(model, batch, temperature=settings.temperature)
            logprobs = iter(told.logprobs_N.float().tolist())
            values = iter([] if told.values_N is None else told.values_N.tolist())
            for answer in (a for row in batch.rows for a in row.answers):
                num = sum(flag > 0 for flag in answer.loss_mask[1:])
                found[numbers[id(answer)]] = list(islice(logprobs, num)), list(islice(values, num))
        model.train(training)
        return [found[n] for n in range(len(numbers))]

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

    def _keep(self, number: int, rows: Sequence[AnswerRow]) -> None:
        """Keep this rank's rows where a later update learns from them; drop what none needs."""
        if self.folder is None or self.settings.updates == 1:
            return
        step = number * self.settings.updates
        own = f"step-{step:08d}.{self.ranks.rank:03d}-of-{self.ranks.num_ranks:03d}.jsonl"
        for old in self.folder.glob(f"step-{step:08d}.*.jsonl") if self.ranks.is_first else ():
            old.unlink()
        self.ranks.wait()
        write_rows(self.folder / own, rows)
        self.ranks.wait()
        if self.ranks.is_first:
            for path in self.folder.glob("step-*.jsonl"):
                last = int(path.name[5:13]) + self.settings.updates
                if last <= min(step, self.find_oldest()):
                    path.unlink()

    def _read(self, number: int) -> list[AnswerRow]:
        """This rank's share of the rows of a rollout that was kept, by however many ranks."""
        step = number * self.settings.updates
        paths = sorted((self.folder or Path()).glob(f"step-{step:08d}.*.jsonl"))
        expected = int(paths[0].name.rpartition("-of-")[2][:3]) if paths else 1
        if len(paths) != expected:
            raise CheckpointError(
                f"{self.folder}: {len(paths)} of {expected} files of the rollout of step {step},"
                " whose updates are not done; resume from an earlier checkpoint, or start anew"
            )
        rows = read_rows(paths)
        if expected == self.ranks.num_ranks:
            return read_rows([paths[self.ranks.rank]])
        shares = share_lengths([row.num_tokens for row in rows], self.ranks.num_ranks)
        return [rows[i] for i in shares[self.ranks.rank]]


def _put_back(rows: Sequence[AnswerRow], answers: Sequence[Answer]) -> list[AnswerRow]:
    told = iter(answers)
    return [replace(row, answers=tuple(next(told) for _ in row.answers)) for row in rows]


def _split(values_N: Tensor, lengths: list[int]) -> list[list[float]]:
    """The numbers of each completion's tokens."""
    return [part.tolist() for part in torch.split(values_N, lengths)] if lengths else []


def _add(answer: Answer, **changes: Any) -> Answer:
    """The answer with more known of it; `changes` are fields of `Sampled`."""
    assert answer.sampled is not None
    return replace(answer, sampled=replace(answer.sampled, **changes))


def _penalise(sampled: Sampled | None, beta: float) -> list[float]:
    """β k1 of each token: what the divergence takes from its reward."""
    if sampled is None or not beta:
        return []
    pairs = zip(sampled.old_logprobs, sampled.ref_logprobs, strict=True)
    return [beta * (old - ref) for old, ref in pairs]
