"""Finds out before the first step whether a training fits in memory, without moving a weight.

The longest micro-batch runs forward and backward, and everything is put back: weights are not
stepped, gradients dropped, random generators restored. A GPU says when its memory is out. A CPU
does not, since the system ends a process that takes too much: there a first portion is measured,
and the whole is tried only where the measure says that it fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from assay.data.answers import Answer, AnswerRow
from assay.data.pack import PackedBatch, build_batch
from assay.data.portions import build_answer_batch, split_batch
from assay.errors import TrainingError
from assay.train.kept_memory import trim_memory
from assay.train.memory import (
    DoesNotFit,
    free_memory,
    is_out_of_memory,
    read_free_bytes,
    read_held_bytes,
    read_peak_bytes,
    reset_peak,
)
from assay.train.mend import WHAT_TO_DO
from assay.train.ranks import ALONE, Ranks
from assay.train.rng import capture_rng, restore_rng
from assay.train.rollout_rows import build_stand_in
from assay.train.step import LossFunction, autocast

FIRST_TOKENS, SECOND_TOKENS = 128, 1024
"""Tokens of portions that are measured on a CPU; the second only where the first leaves doubt."""
EASY_SHARE = 0.6
"""Where a generous estimate stays below this share of what is free, no more is tried."""
SAFE_SHARE = 0.95
MIN_EFFICIENT_TOKENS = 1024
"""Below this, computing layers twice costs less than smaller micro-batches do."""


@dataclass(frozen=True)
class Trial:
    """Whether a micro-batch fits, the bytes it needs where known, and those that were free."""

    fits: bool
    needed_bytes: int | None
    free_bytes: int


@dataclass(frozen=True)
class MemoryPlan:
    """What was found to fit: a token budget (0 leaves micro-batches as they are) and techniques."""

    token_budget: int = 0
    techniques: tuple[str, ...] = ()
    reason: str = ""


Try = Callable[[PackedBatch], Trial]


@dataclass(frozen=True)
class Probe:
    """How a micro-batch is tried.

    `reserve_bytes` are those that the optimizer will take, and `keep_gradients` says whether the
    gradients of all weights are held at once. Of several `ranks`, each of which holds all weights,
    all try at once, and what does not fit on one fits on none.
    """

    model: Any
    loss: LossFunction
    precision: str
    reserve_bytes: int = 0
    keep_gradients: bool = True
    ranks: Ranks = ALONE

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.model.parameters()).device
        return device

    def try_batch(self, batch: PackedBatch) -> Trial:
        """Whether `batch` fits; nothing is changed."""
        trim_memory()  # what a try before has left in the process is not needed by the model
        held, free = read_held_bytes(self.device), self._read_free()
        # Nobody takes memory before all have read how much there is.
        self.ranks.wait()
        trial = self._try(batch, held, free)
        return replace(trial, fits=not self.ranks.any(not trial.fits))

    def _read_free(self) -> int:
        """This rank's share: a GPU is its own, a CPU's memory is that of all ranks of a machine."""
        sharing = self.ranks.num_local if self.device.type == "cpu" else 1
        return read_free_bytes(self.device) // sharing - self.reserve_bytes

    def _try(self, batch: PackedBatch, held: int, free: int) -> Trial:
        if self.device.type == "cuda":
            needed = self._measure(batch, held)
            return Trial(needed is not None, needed, free)
        if batch.num_tokens > FIRST_TOKENS:
            needed = self._predict(batch, held, free)
            if needed is not None and not EASY_SHARE * free < needed <= SAFE_SHARE * free:
                return Trial(needed <= EASY_SHARE * free, needed, free)
        needed = self._measure(batch, held)
        fits = needed is not None and free > 0 and needed <= SAFE_SHARE * free
        return Trial(fits, needed, free)

    def _predict(self, batch: PackedBatch, held: int, free: int) -> int | None:
        """Bytes that `batch` needs, from portions of it; generous where they are far below `free`.

        None where it is hardly more than those portions.

        Memory grows linearly with tokens, over what gradients and the head's chunk take once; what
        the first portion leaves behind makes it look steeper, by up to 1.4 where it was measured.
        """
        first = self._measure(_cut(batch, FIRST_TOKENS), held)
        if first is None:
            return free + 1
        generous = first * batch.num_tokens // FIRST_TOKENS
        if generous <= EASY_SHARE * free:
            return generous
        if batch.num_tokens <= 2 * SECOND_TOKENS:
            return None
        second = self._measure(_cut(batch, SECOND_TOKENS), held)
        if second is None:
            return free + 1
        more = (second - first) * (batch.num_tokens - FIRST_TOKENS)
        return first + more // (SECOND_TOKENS - FIRST_TOKENS)

    def _measure(self, batch: PackedBatch, held: int) -> int | None:
        """Most bytes beyond `held` in one forward and backward pass; None if memory ran out.

        Beyond what was held before the first of several passes: what one of them frees the process
        may keep, and take again unseen for the next.
        """
        rng, training = capture_rng(), self.model.training
        self.model.train()
        try:
            is_known = reset_peak(self.device)
            with self._reserved(), self._gradients_dropped():
                with autocast(self.precision, self.device):
                    loss_sum = self.loss(self.model, batch)
                loss_sum.backward()  # type: ignore[no-untyped-call]
                del loss_sum
            peak = read_peak_bytes(self.device) if is_known else None
            return max(0, peak - held) if peak is not None else 0
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        finally:
            for parameter in self.model.parameters():
                parameter.grad = None
            self.model.train(training)
            restore_rng(rng)
            if self.device.type == "cuda":
                free_memory(self.device)

    @contextmanager
    def _reserved(self) -> Iterator[None]:
        """Holds what the optimizer will take, where holding it does not need it to be written."""
        held = None
        if self.device.type == "cuda" and self.reserve_bytes:
            held = torch.empty(self.reserve_bytes, dtype=torch.uint8, device=self.device)
        yield
        del held

    @contextmanager
    def _gradients_dropped(self) -> Iterator[None]:
        """Drops each gradient as soon as it is there, if the training will do so too."""
        if self.keep_gradients:
            yield
            return

        def drop(parameter: torch.Tensor) -> None:
            parameter.grad = None

        trainable = [p for p in self.model.parameters() if p.requires_grad]
        handles = [p.register_post_accumulate_grad_hook(drop) for p in trainable]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def find_plan(
    longest: PackedBatch,
    stages: Sequence[tuple[str, ...]],
    techniques_on: Callable[[tuple[str, ...]], AbstractContextManager[Any]],
    try_batch: Try,
) -> MemoryPlan:
    """The first of `stages` (techniques, the cheapest first) in which `longest` fits, and a budget.

    The budget is halved while micro-batches stay efficient; in the last stage down to the longest
    row, which comes first in `longest`.

    Raises:
        DoesNotFit: that row does not fit by itself either.
    """
    tried = longest
    trial = Trial(False, None, 0)
    for stage in stages:
        budget = longest.num_tokens
        try:
            with techniques_on(stage):
                while True:
                    tried = split_batch(longest, token_budget=budget)[0]
                    trial = try_batch(tried)
                    if trial.fits:
                        return _describe(longest, tried, budget, stage, stages[0])
                    if len(tried.sequence_lengths) == 1:
                        break
                    budget //= 2
                    if budget < MIN_EFFICIENT_TOKENS and stage != stages[-1]:
                        break
        except TrainingError:
            if stage == stages[0]:
                raise
    room = f"{trial.free_bytes / 1e9:.2f} GB are free"
    if trial.needed_bytes is not None:
        room = f"it needs {trial.needed_bytes / 1e9:.2f} GB, {room}"
    raise DoesNotFit(
        f"the longest row, of {tried.num_tokens:,} tokens, does not fit in memory by itself"
        f" ({room}): {WHAT_TO_DO}"
    )


def _describe(
    longest: PackedBatch,
    fitting: PackedBatch,
    budget: int,
    stage: tuple[str, ...],
    wanted: tuple[str, ...],
) -> MemoryPlan:
    changes = []
    is_smaller = fitting.num_tokens < longest.num_tokens
    if is_smaller:
        changes.append(
            f"micro-batches of at most {budget:,} tokens, since {longest.num_tokens:,} do not fit"
        )
    if stage != wanted:
        changes.append(f"with {', '.join(stage)}")
    reason = f"memory: {' '.join(changes)}; results are the same" if changes else ""
    return MemoryPlan(budget if is_smaller else 0, stage, reason)


def _cut(batch: PackedBatch, num_tokens: int) -> PackedBatch:
    """The first tokens of `batch` as one row, all of them supervised."""
    ids = batch.input_ids[:num_tokens]
    if batch.rows and batch.rows[0].is_sampled:
        return build_stand_in(
            ids[:1], num_answers=1, num_tokens=len(ids) - 1, token_budget=num_tokens
        )
    if batch.rows:
        halves = (ids[::2], ids[1::2]) if batch.rows[0].is_pair else (ids,)
        answers = tuple(Answer(half, [1.0] * len(half)) for half in halves)
        return build_answer_batch([AnswerRow(answers)])
    return build_batch([ids], [[1.0] * len(ids)], is_anchored=batch.is_anchored)
