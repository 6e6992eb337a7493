"""What a rollout measured, as sums that add up over processes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from assay.train.completions import Group
from assay.train.meter import Meter

ROLLOUT_METRICS = (
    "reward",
    "reward_std",
    "length",
    "truncated",
    "repetition",
    "zero_variance",
    "grader_errors",
    "learned",
)
"""Means over completions of the grader's reward, tokens, whether they were cut off, of repeated
stretches and of failed grades, and of those that are learned from; over prompts of the deviation of
a prompt's rewards, and of whether they are all the same."""


def name_parts(sub_rewards: Sequence[str]) -> tuple[str, ...]:
    """The metrics of the parts of a combined grader."""
    return tuple(f"reward_{name}" for name in sub_rewards)


def add_stats(
    meter: Meter, groups: Sequence[Group], parts: Sequence[str] = (), *, num_learned: int = 0
) -> None:
    """Add what `groups` measured to `meter`; `parts` are the names of a grader's parts."""
    every = [one for group in groups for one in group.completions]
    if not every:
        return
    sums = {
        "reward": sum(one.grade.reward for one in every),
        "length": sum(one.num_tokens for one in every),
        "truncated": sum(one.is_truncated for one in every),
        "repetition": sum(one.repetition for one in every),
        "grader_errors": sum(bool(one.grade.errors) for one in every),
        "learned": num_learned,
    }
    for name in parts:
        sums[f"reward_{name}"] = sum(one.grade.sub_rewards.get(name, 0.0) for one in every)
    _add(meter, sums, len(every))
    of_groups = {
        "reward_std": sum(_deviate(group.rewards) for group in groups),
        "zero_variance": sum(not group.is_informative for group in groups),
    }
    _add(meter, of_groups, len(groups))


def _add(meter: Meter, sums: dict[str, float], weight: int) -> None:
    tensors = {name: torch.tensor(float(value)) for name, value in sums.items()}
    meter.add(tensors, float(weight))


def _deviate(rewards: Sequence[float]) -> float:
    mean = sum(rewards) / len(rewards)
    return math.sqrt(sum((one - mean) ** 2 for one in rewards) / max(1, len(rewards) - 1))
