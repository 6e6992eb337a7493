"""How the completions of a step are sampled and made into rows; it samples nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass

from assay.generate.engine import Sampling
from assay.losses.averages import Average


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
