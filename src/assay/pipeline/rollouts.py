"""The recipe's objective of prompts as rollouts, credit, a loss and a measure of rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from assay.config import Recipe
from assay.config.sections.reinforcement import (
    PpoConfig,
)
from assay.config.sections.rollouts import PolicySection, RolloutSection
from assay.pipeline.graders import build_held_out_grader, build_objective_grader
from assay.pipeline.job import Job
from assay.pipeline.playing import build_playing
from assay.pipeline.policy import build_credit, choose_average, list_parts
from assay.pipeline.precision import choose_precision
from assay.pipeline.served import choose_writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.data import TokenSequence
    from assay.pipeline.batches import TrainingRows
    from assay.train.kl_control import KlControl
    from assay.train.meter import Meter
    from assay.train.ranks import Ranks
    from assay.train.rollout_settings import RolloutSettings
    from assay.train.rollouts import Rollouts

ROWS_DECODED = 64
"""Completions that are decoded together."""
FOLDER = "rollouts"


def build_settings(job: Job) -> RolloutSettings:
    """How completions are sampled and made into rows."""
    from assay.train.rollout_settings import RolloutSettings

    objective, train = job.recipe.objective, job.recipe.train
    assert isinstance(objective, RolloutSection)
    policy = objective if isinstance(objective, PolicySection) else None
    beta = policy.beta if policy else 0.0
    return RolloutSettings(
        group_size=objective.group_size,
        max_new_tokens=objective.max_new_tokens,
        batch_size=train.batch_size,
        token_budget=train.micro_batch_tokens,
        average=choose_average(objective),
        temperature=objective.temperature,
        top_p=objective.top_p,
        updates=count_updates(job.recipe),
        dynamic_sampling=policy.dynamic_sampling if policy else 0,
        overlong_margin=objective.overlong_margin,
        mask_truncated=policy.mask_truncated if policy else False,
        kl_in_reward=beta if policy and policy.kl_in == "reward" else 0.0,
        needs_reference=beta > 0,
        needs_values=isinstance(objective, PpoConfig),
        validation_samples=objective.validation_samples,
        precision=choose_precision(job.recipe).name,
        seed=job.recipe.seed,
    )


def count_updates(recipe: Recipe) -> int:
    """Optimizer steps for each pass over a step's rows: more than one where rollouts are reused."""
    objective = recipe.objective
    return objective.updates if isinstance(objective, PolicySection) else 1


def build_rollouts(
    job: Job, rows: TrainingRows, model: Any, ranks: Ranks, *, find_oldest: Callable[[], int]
) -> Rollouts:
    """The source of a tuning's micro-batches, whose completions `model` writes."""
    from assay.generate.local import LocalEngine
    from assay.train.kept_rollouts import KeptRollouts
    from assay.train.rollouts import Rollouts

    objective = job.recipe.objective
    grader = build_objective_grader(job.recipe, job.base_dir)
    assert isinstance(objective, RolloutSection) and grader is not None
    settings = build_settings(job)
    needs_reference = settings.needs_reference
    local = LocalEngine(
        model,
        job.tokenizer,
        batch_size=max(ROWS_DECODED, job.recipe.evaluate.batch_size),
        context_len=job.base.context_len,
    )
    return Rollouts(
        model,
        choose_writer(job, local, model),
        grader,
        rows.sequences,
        build_credit(objective),
        settings,
        as_reference=open_reference(job, model) if needs_reference else None,
        kept=KeptRollouts(job.run.path / FOLDER, settings.updates, find_oldest),
        parts=list_parts(objective),
        playing=build_playing(job.recipe, job.base, job.base_dir, context_len=job.max_seq_len),
        ranks=ranks,
        control=build_control(job, ranks),
        held_out=build_held_out_grader(job.recipe, job.base_dir)
        if objective.held_out_grader
        else None,
    )


def build_control(job: Job, ranks: Ranks) -> KlControl | None:
    """What leads the weight of the divergence to a target; None where nothing does."""
    from assay.train.kl_control import KlControl

    objective = job.recipe.objective
    if not isinstance(objective, PpoConfig) or objective.kl_target is None:
        return None
    return KlControl(
        objective.beta,
        target=objective.kl_target,
        horizon=objective.kl_horizon,
        path=job.run.path / FOLDER / "kl.jsonl",
        ranks=ranks,
    )


def open_reference(job: Job, model: Any) -> Callable[[], AbstractContextManager[Any]]:
    """The model before the first step, whenever it is asked for.

    Fresh adapters are switched off. Where the base's own weights are trained, or adapters that
    are gone on from, a copy of what training began with is loaded beside the model.
    """
    from assay.models.as_base import adapters_off

    method = job.recipe.method
    if method.trains_base or getattr(method, "start_from", None) is not None:
        copy = _load_start(job, next(model.parameters()).device)
        return lambda: _shown(copy)

    @contextmanager
    def as_base() -> Iterator[Any]:
        with adapters_off(model):
            yield model

    return as_base


def _load_start(job: Job, device: Any) -> Any:
    from assay.models.base import load_model
    from assay.pipeline.method import add_method

    job.progress.note("a copy of the model before the first step stays beside it, as its reference")
    wrapped = add_method(job, load_model(job.base, dtype=choose_precision(job.recipe).weights))
    model = wrapped if job.recipe.method.trains_base else wrapped.get_base_model()
    model.requires_grad_(False)
    return model.to(device).eval()


@contextmanager
def _shown(copy: Any) -> Iterator[Any]:
    from assay.models.forward import packed_mode

    with packed_mode(copy):
        yield copy


def measure_reward(
    rollouts: Rollouts, prompts: Sequence[TokenSequence], meter: Meter, ranks: Ranks
) -> float:
    """1 less the mean reward of completions of `prompts`, over all ranks: what is to be lowered.

    Held-out figures of the completions go to `meter`.
    """
    from assay.train.rollout_stats import add_stats

    if not prompts:
        return float("nan")
    groups = rollouts.measure(prompts)
    meter.clear()
    add_stats(meter, groups, rollouts.held_out_parts)
    rewards = [reward for group in groups for reward in group.rewards]
    total, count = ranks.sum(sum(rewards), float(len(rewards)))
    return 1.0 - total / count
