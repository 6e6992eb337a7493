"""The watch over a reward that may be gamed, joined with that over drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from assay.config.sections.rollouts import RolloutSection
from assay.pipeline.job import Job
from assay.train.reward_watch import HACKING_LIMITS, find_signs, read_hacking
from assay.train.watch import Watch


def add_reward_watch(job: Job, watch: Watch | None, *, every_steps: int) -> Watch | None:
    """`watch` with the signs of a gamed reward, where the recipe's objective has a grader.

    They are read of the run's own metrics, so that a resumed run reads the same.
    """
    objective = job.recipe.objective
    if not isinstance(objective, RolloutSection) or objective.on_hacking == "off":
        return watch
    stops = objective.on_hacking == "stop"

    def measure() -> Mapping[str, float]:
        signs = read_hacking(job.run.read_metrics())
        told = "" if stops else find_signs(signs)
        if told:
            job.progress.note(f"the reward may be gamed: {told}; look at completions")
        return signs

    own = Watch(
        measure,
        every_steps,
        HACKING_LIMITS if stops else {},
        stops=stops,
        on_every_rank=False,
    )
    return own if watch is None else _join(watch, own)


def _join(first: Watch, second: Watch) -> Watch:
    """Both, read as often as the one that is read more often."""
    return replace(
        first,
        measure=lambda: {**first.measure(), **second.measure()},
        every_steps=min(first.every_steps, second.every_steps),
        limits={**first.limits, **second.limits},
        stops=first.stops or second.stops,
    )
