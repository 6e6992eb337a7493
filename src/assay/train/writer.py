"""Which prompts a step has, and what the model writes of them: the groups of a rollout."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from assay.data import TokenSequence
from assay.data.pack import plan_epoch
from assay.data.share import share_lengths
from assay.generate.engine import Engine, Sampling
from assay.graders.grade import Grader
from assay.graders.play import Playing
from assay.train.completions import Group, write_groups
from assay.train.ranks import ALONE, Ranks
from assay.train.rollout_settings import RolloutSettings
from assay.train.step import autocast


@dataclass(frozen=True)
class Writer:
    """Has `model` write, by way of `engine`, completions of one rank's share of prompts, graded.

    `prompts` are those of all ranks; with `playing` completions are episodes in an environment.
    Held-out prompts are judged by `held_out` where it is given.
    """

    model: Any
    engine: Engine
    grader: Grader
    prompts: Sequence[TokenSequence]
    settings: RolloutSettings
    playing: Playing | None = None
    ranks: Ranks = ALONE
    held_out: Grader | None = None

    def measure(self, prompts: Sequence[TokenSequence]) -> list[Group]:
        """Completions of this rank's share of held-out `prompts`, greedy or sampled; graded."""
        settings = self.settings
        num = settings.validation_samples
        sampling = settings.sampling(-1)
        if num == 1:
            sampling = replace(sampling, temperature=0.0, top_p=1.0)
        share = self._share(prompts)
        judging = self if self.held_out is None else replace(self, grader=self.held_out)
        return judging._write_groups([prompts[i] for i in share], share, sampling, group_size=num)

    def write(self, number: int) -> list[Group]:
        """The groups of this rank's share of a rollout's prompts; collective."""
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
        groups = self._write_part(wanted, 0, sampling)
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
            more = self._write_part(chosen, place, sampling)
            groups += [group for group in more if group.is_informative]
            place += len(chosen)
        if not settings.dynamic_sampling:
            return first
        (found,) = self.ranks.sum(float(len(groups)))
        return groups if found else first

    def _write_part(
        self, wanted: Sequence[int], first_place: int, sampling: Sampling
    ) -> list[Group]:
        """This rank's share of the prompts of the indices `wanted`."""
        prompts = [self.prompts[i] for i in wanted]
        share = self._share(prompts)
        return self._write_groups(
            [prompts[i] for i in share],
            [first_place + i for i in share],
            sampling,
            group_size=self.settings.group_size,
        )

    def _share(self, prompts: Sequence[TokenSequence]) -> list[int]:
        lengths = [prompt.num_tokens for prompt in prompts]
        return share_lengths(lengths, self.ranks.num_ranks)[self.ranks.rank]

    def _write_groups(
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
