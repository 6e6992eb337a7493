"""How likely a rollout's tokens are under the model that wrote them, and under its reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch

from assay.data.answers import Answer, AnswerRow
from assay.train.answers import compute_answer_logprobs
from assay.train.rollout_rows import pack_rows
from assay.train.rollout_settings import RolloutSettings
from assay.train.step import autocast

AsReference = Callable[[], AbstractContextManager[Any]]
"""Gives the reference for a while: a causal model in `packed_mode`."""


@dataclass(frozen=True)
class LogprobTeller:
    """Tells the answers of rows what credit and loss ask for, before a rollout's first update.

    `as_reference` is needed where a divergence from it is asked for.
    """

    model: Any
    settings: RolloutSettings
    as_reference: AsReference | None = None

    def tell(self, rows: Sequence[AnswerRow]) -> list[Answer]:
        """All answers in order, with the log-probabilities that loss or reward ask for."""
        answers = [answer for row in rows for answer in row.answers]
        settings = self.settings
        if settings.needs_old:
            found = self._compute(self.model, rows)
            answers = [
                add_told(one, old_logprobs=logprobs, values=values)
                for one, (logprobs, values) in zip(answers, found, strict=True)
            ]
        if settings.needs_reference or settings.kl_in_reward:
            assert self.as_reference is not None, "a divergence needs a reference"
            with self.as_reference() as reference:
                found = self._compute(reference, rows)
            answers = [
                add_told(one, ref_logprobs=logprobs)
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


def add_told(answer: Answer, **changes: Any) -> Answer:
    """The answer with more known of it; `changes` are fields of `Sampled`."""
    assert answer.sampled is not None
    return replace(answer, sampled=replace(answer.sampled, **changes))
