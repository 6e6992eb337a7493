"""The loss of a value function: how well it told what each token of a completion would bring.

Shape legend: N tokens of completions.
"""

from __future__ import annotations

import torch
from torch import Tensor


def compute_value_loss(
    values_N: Tensor, old_values_N: Tensor, returns_N: Tensor, *, clip: float | None
) -> Tensor:
    """``½ max((V - R)², (clip(V, V_old - ε, V_old + ε) - R)²)`` of each token, float32, shape (N,).

    Schulman et al. 2017 ("Proximal policy optimization algorithms"), the squared error of equation
    9, clipped as the code of PPO's authors has it: what one rollout moves the values by is bounded,
    as a ratio of probabilities is. Without `clip` the squared error alone.

    Args:
        values_N: of the model that learns; they alone get a gradient.
        old_values_N: of the model that sampled.
        returns_N: advantages (before they are normalised) plus old values.
        clip: ε, above 0, in units of the reward.
    """
    old_values_N, returns_N = old_values_N.detach(), returns_N.detach()
    errors_N = (values_N - returns_N).square()
    if clip is not None:
        clipped_N = torch.clamp(values_N, old_values_N - clip, old_values_N + clip)
        errors_N = torch.maximum(errors_N, (clipped_N - returns_N).square())
    return errors_N / 2
