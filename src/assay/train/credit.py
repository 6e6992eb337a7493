"""Credit assignment: from the rewards of a rollout to what each token's log-probability is worth.

An algorithm is one of these classes, a loss of the ratio (`assay.losses.policy`) and an average
(`assay.losses.averages`). Shape legend: P prompts, G completions of each, S = P G, N tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from assay.losses.advantages import (
    EPSILON,
    compute_gae,
    compute_group_advantages,
    compute_leave_one_out,
    compute_returns,
)
from assay.train.ranks import ALONE, Ranks


@dataclass(frozen=True)
class Graded:
    """Rewards of a rollout's completions, prompt by prompt.

    Attributes:
        rewards_PG: float32.
        lengths: tokens of each of the S completions, in order.
        penalties_N: what the divergence from the reference takes from the reward at each token,
            float32; zeros where it stands in the loss or nowhere.
        values_N: what a value head expected before each token, float32; None without one.
    """

    rewards_PG: Tensor
    lengths: list[int]
    penalties_N: Tensor
    values_N: Tensor | None = None

    @property
    def whole_rewards_PG(self) -> Tensor:
        """Rewards less the penalties of all tokens."""
        parts = torch.split(self.penalties_N, self.lengths)
        sums_S = torch.stack([part.sum() for part in parts]) if parts else self.penalties_N
        return self.rewards_PG - sums_S.view_as(self.rewards_PG)

    @property
    def rewards_N(self) -> Tensor:
        """What each token brings: less its penalty, and the reward at a completion's last one."""
        rewards_N = -self.penalties_N
        if not self.lengths:
            return rewards_N
        ends_S = torch.tensor(self.lengths).cumsum(0) - 1
        return rewards_N.index_add(0, ends_S, self.rewards_PG.flatten())

    def to_tokens(self, values_PG: Tensor) -> Tensor:
        """Each completion's value at each of its tokens, shape (N,)."""
        return values_PG.flatten().repeat_interleave(torch.tensor(self.lengths, dtype=torch.int64))


class Credit(Protocol):
    """Advantages of tokens, and which completions are learned from at all.

    Collective: all ranks call it, each with its own part of a step's rollout.
    """

    def assign(self, graded: Graded, ranks: Ranks = ALONE) -> tuple[Tensor, list[bool]]:
        """float32 of shape (N,), and a truth for each of the S completions."""
        ...


@dataclass(frozen=True)
class GroupCredit:
    """Rewards beside those of the prompt's other completions: GRPO; without `scale` Dr. GRPO."""

    scale: bool = True

    def assign(self, graded: Graded, ranks: Ranks = ALONE) -> tuple[Tensor, list[bool]]:
        values_PG = compute_group_advantages(graded.whole_rewards_PG, scale=self.scale)
        return graded.to_tokens(values_PG), [True] * len(graded.lengths)


@dataclass(frozen=True)
class LeaveOneOutCredit:
    """Rewards less the mean of the prompt's other completions': RLOO."""

    def assign(self, graded: Graded, ranks: Ranks = ALONE) -> tuple[Tensor, list[bool]]:
        values_PG = compute_leave_one_out(graded.whole_rewards_PG)
        return graded.to_tokens(values_PG), [True] * len(graded.lengths)


@dataclass(frozen=True)
class ReturnCredit:
    """Returns of tokens, normalised over the whole step: REINFORCE++.

    With `baseline` ``group`` the mean reward of the prompt's completions is taken off first.
    """

    baseline: str = "batch"

    def assign(self, graded: Graded, ranks: Ranks = ALONE) -> tuple[Tensor, list[bool]]:
        rewards_PG = graded.rewards_PG
        if self.baseline == "group":
            rewards_PG = rewards_PG - rewards_PG.mean(1, keepdim=True)
        rewards_N = replace(graded, rewards_PG=rewards_PG).rewards_N
        returns_N = compute_returns(rewards_N, graded.lengths)
        return normalise_over(returns_N, ranks), [True] * len(graded.lengths)


@dataclass(frozen=True)
class GaeCredit:
    """Generalised advantages beside a value head, normalised over the whole step: PPO."""

    gamma: float = 1.0
    lam: float = 0.95

    def assign(self, graded: Graded, ranks: Ranks = ALONE) -> tuple[Tensor, list[bool]]:
        return normalise_over(self._estimate(graded), ranks), [True] * len(graded.lengths)

    def compute_returns(self, graded: Graded) -> Tensor:
        """What the value head is to expect before each token, float32, shape (N,)."""
        assert graded.values_N is not None, "the objective adds a value head"
        return self._estimate(graded) + graded.values_N

    def _estimate(self, graded: Graded) -> Tensor:
        assert graded.values_N is not None, "the objective adds a value head"
        return compute_gae(
            graded.rewards_N, graded.values_N, graded.lengths, gamma=self.gamma, lam=self.lam
        )


@dataclass(frozen=True)
class BestOfCredit:
    """The `keep_best` best completions of each prompt of at least `min_reward`, and no others.

    Each of their tokens is worth 1: they are learned as any answer is. Of equal ones the first.
    """

    keep_best: int
    min_reward: float

    def assign(self, graded: Graded, ranks: Ranks = ALONE) -> tuple[Tensor, list[bool]]:
        kept: list[bool] = []
        for rewards in graded.rewards_PG.tolist():
            order = sorted(range(len(rewards)), key=lambda i: (-rewards[i], i))
            best = {i for i in order[: self.keep_best] if rewards[i] >= self.min_reward}
            kept += [i in best for i in range(len(rewards))]
        return torch.ones(sum(graded.lengths)), kept


def normalise_over(values_N: Tensor, ranks: Ranks) -> Tensor:
    """`assay.losses.advantages.normalise` over the values of all ranks; collective."""
    count, total = ranks.sum(float(len(values_N)), float(values_N.double().sum()))
    mean = total / max(count, 1.0)
    (squares,) = ranks.sum(float((values_N.double() - mean).square().sum()))
    if count < 2:
        return torch.zeros_like(values_N)
    deviation = math.sqrt(squares / (count - 1))
    return (values_N - mean) / (deviation + EPSILON)
