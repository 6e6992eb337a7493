"""Figures of graded completions: distributions of rewards, failures, the best and the worst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from assay.evaluate.association import Floats
from assay.graders.grade import Grade

EPSILON = 1e-9
"""Rewards this near to each other are equal."""


@dataclass(frozen=True)
class Sampled:
    """One completion, and the place of its prompt."""

    group: int
    text: str
    num_tokens: int
    is_truncated: bool


@dataclass(frozen=True)
class Graded:
    """What one grader (the whole, or a part of it) gave all completions, in order."""

    name: str
    kind: str
    grades: Sequence[Grade]
    seconds: float = 0.0

    @property
    def rewards(self) -> Floats:
        return np.array([grade.reward for grade in self.grades], dtype=np.float64)

    @property
    def errors(self) -> dict[str, int]:
        """How many completions have each error."""
        return dict(Counter(name for grade in self.grades for name in sorted(grade.errors)))

    def list_details(self) -> list[tuple[str, int]]:
        """Reasons in words, the most frequent first."""
        return Counter(grade.detail for grade in self.grades if grade.detail).most_common()


def summarise(sampled: Sequence[Sampled], graded: Graded) -> dict[str, Any]:
    """A grader's figures: its rewards' distribution, errors, and reasons in words."""
    rewards = graded.rewards
    spread_G = by_group(sampled, rewards).std(axis=1)
    return {
        "name": graded.name,
        "type": graded.kind,
        "num": len(rewards),
        "mean": float(rewards.mean()),
        "std": float(rewards.std()),
        "min": float(rewards.min()),
        "max": float(rewards.max()),
        "success": compute_success(rewards),
        "mean_group_std": float(spread_G.mean()),
        "equal_groups": float((spread_G <= EPSILON).mean()),
        "num_failed": sum(bool(grade.errors) for grade in graded.grades),
        "errors": graded.errors,
        "details": [{"detail": text, "num": num} for text, num in graded.list_details()[:5]],
        "seconds": graded.seconds,
        "histogram": asdict(compute_histogram(rewards)),
    }


@dataclass(frozen=True)
class Histogram:
    """Counts of rewards: of each value where there are few, else of equal steps."""

    edges: list[float]
    counts: list[int]
    is_of_values: bool


def compute_histogram(rewards: Floats, *, num_bins: int = 10) -> Histogram:
    """At most `num_bins` counts; `edges` are values, or one more than there are counts."""
    values, counts = np.unique(rewards, return_counts=True)
    if len(values) <= num_bins:
        return Histogram(values.tolist(), counts.tolist(), is_of_values=True)
    binned, edges = np.histogram(rewards, bins=num_bins)
    return Histogram(edges.tolist(), binned.tolist(), is_of_values=False)


def compute_success(rewards: Floats) -> float | None:
    """How often the base does what is wanted: the mean of rewards in [0, 1]; else None."""
    if rewards.min() < 0 or rewards.max() > 1:
        return None
    return float(rewards.mean())


def by_group(sampled: Sequence[Sampled], values: Sequence[float] | Floats) -> Floats:
    """Values of completions, in order, as an array (G, K): a row for each prompt."""
    return np.array(group_by_prompt(sampled, list(values)), dtype=np.float64)


def group_by_prompt(sampled: Sequence[Sampled], values: Sequence[Any]) -> list[list[Any]]:
    """Values of completions, in order, as a list for each prompt."""
    groups: dict[int, list[Any]] = {}
    for one, value in zip(sampled, values, strict=True):
        groups.setdefault(one.group, []).append(value)
    return list(groups.values())


def choose_examples(
    sampled: Sequence[Sampled], whole: Graded, *, num: int
) -> Mapping[str, list[int]]:
    """Places of the best and the worst completions, each of another prompt where it can be."""
    order = sorted(range(len(sampled)), key=lambda place: whole.grades[place].reward)
    return {
        "best": _of_prompts(sampled, order[::-1], num),
        "worst": _of_prompts(sampled, order, num),
    }


def _of_prompts(sampled: Sequence[Sampled], order: Sequence[int], num: int) -> list[int]:
    first: dict[int, int] = {}
    for place in order:
        first.setdefault(sampled[place].group, place)
    return list(first.values())[:num]
