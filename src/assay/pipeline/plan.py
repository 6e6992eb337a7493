"""What a tuning does to fit in memory: the recipe's techniques, or those that a probe finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from assay.config.sections.rollouts import RolloutSection
from assay.data import TokenSequence
from assay.data.pack import PackedBatch, build_batch
from assay.data.portions import build_answer_batch
from assay.pipeline.job import Job

if TYPE_CHECKING:
    from assay.train.probe import MemoryPlan
    from assay.train.ranks import Ranks
    from assay.train.step import LossFunction

CHEAPEST_FIRST: tuple[tuple[str, ...], ...] = (
    (),
    ("checkpoint_layers",),
    ("checkpoint_layers", "offload_activations"),
)


def plan_memory(
    job: Job,
    sequences: Sequence[TokenSequence],
    model: Any,
    loss: LossFunction,
    mode: Callable[[tuple[str, ...]], AbstractContextManager[Any]],
    *,
    precision: str,
    ranks: Ranks,
    num_tunings: int = 1,
) -> MemoryPlan:
    """Try the longest micro-batch of `sequences` on `model`, and say what is changed for it to fit.

    `mode` puts the model into training mode with techniques. Room is left for the weights and
    states of `num_tunings` that take turns on the model. Several `ranks` come to one plan; where
    weights are spread over them, what the recipe names is done, and nothing is tried.

    Raises:
        DoesNotFit: the longest row does not fit by itself.
        ConfigError: a technique that this device does not have.
    """
    from assay.train.optimizer import estimate_state_bytes
    from assay.train.probe import MemoryPlan, Probe, find_plan
    from assay.train.shard import is_spread

    if is_spread(model):
        return MemoryPlan(0, list_techniques(job))
    trainable = [p for p in model.parameters() if p.requires_grad]
    config = job.recipe.train
    probe = Probe(
        model,
        loss,
        precision,
        reserve_bytes=num_tunings * estimate_state_bytes(config.optimizer, trainable)
        + (num_tunings - 1) * sum(p.numel() * p.element_size() for p in trainable),
        keep_gradients="step_per_layer" not in list_techniques(job),
        ranks=ranks,
    )
    longest = _build_longest(job, sequences)
    plan = find_plan(longest, _list_stages(job, probe.device.type), mode, probe.try_batch)
    if plan.reason:
        job.progress.note(plan.reason)
    return plan


def _build_longest(job: Job, sequences: Sequence[TokenSequence]) -> PackedBatch:
    from assay.train.rollout_rows import build_stand_in

    objective, budget = job.recipe.objective, job.recipe.train.micro_batch_tokens
    if not isinstance(objective, RolloutSection):
        return build_longest(sequences, token_budget=budget, batch_size=job.recipe.train.batch_size)
    return build_stand_in(
        max((one.input_ids for one in sequences), key=len),
        num_answers=objective.group_size,
        num_tokens=objective.max_new_tokens * (objective.max_turns if objective.environment else 1),
        token_budget=budget,
    )


def check_device(job: Job, model: Any) -> None:
    """Whether the device of `model` has what the recipe's training asks for: before the baseline.

    Raises:
        ConfigError: an optimizer or a technique that this device cannot have.
    """
    from assay.train.optimizer import check_optimizer
    from assay.train.techniques import check_offloading

    device = next(model.parameters()).device
    check_optimizer(job.recipe.train.optimizer, device)
    if "offload_activations" in list_techniques(job):
        check_offloading(device)


def list_techniques(job: Job) -> tuple[str, ...]:
    """The techniques that the recipe names."""
    asked = job.recipe.train.techniques
    return () if asked == "auto" else tuple(asked)


def build_longest(
    sequences: Sequence[TokenSequence], *, token_budget: int, batch_size: int
) -> PackedBatch:
    """The largest micro-batch that a step may have: the longest row, filled up with long ones."""
    ordered = sorted(sequences, key=lambda s: -s.num_tokens)
    chosen, room = [ordered[0]], token_budget - ordered[0].num_tokens
    for sequence in ordered[1:]:
        if len(chosen) == batch_size:
            break
        if sequence.num_tokens <= room:
            chosen.append(sequence)
            room -= sequence.num_tokens
    if chosen[0].is_compared:
        return build_answer_batch([s.row for s in chosen])
    return build_batch(
        [s.input_ids for s in chosen],
        [s.loss_mask for s in chosen],
        is_anchored=any(s.is_anchored for s in chosen),
    )


def _list_stages(job: Job, device_type: str) -> Sequence[tuple[str, ...]]:
    if job.recipe.train.techniques != "auto":
        return (list_techniques(job),)
    return CHEAPEST_FIRST if device_type == "cuda" else CHEAPEST_FIRST[:2]
