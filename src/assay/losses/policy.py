"""Losses of sampled completions on their tokens' log-probabilities: what follows from a ratio.

With ``ρ_t = π(y_t|y_<t) / π_old(y_t|y_<t)`` of every token and its advantage ``A_t``. Each gives
one loss for every token, float32 of shape (N,), before the weights that say how tokens are averaged
(`assay.losses.averages`). At ρ = 1 the gradient of each is that of REINFORCE, ``-A_t ∇log π``.

Shape legend: N tokens of completions, S completions.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Level = Literal["token", "mean", "sum"]
"""What a ratio is of: a token; a completion's mean over tokens; a completion's sum."""


def compute_log_ratios(
    logprobs_N: Tensor, old_logprobs_N: Tensor, owners_N: Tensor, *, level: Level = "token"
) -> Tensor:
    """``log ρ`` of every token, float32, shape (N,), with the gradient of `logprobs_N`.

    Args:
        logprobs_N: log-probabilities of the sampled tokens under the model, nats.
        old_logprobs_N: the same under the model that sampled them; they get no gradient.
        owners_N: the completion of each token, int64, from 0 without gaps.
        level: ``token`` (Schulman et al. 2017, PPO); ``mean``: each token has its completion's
            ``(1/|y|) Σ log ρ_t`` (Zheng et al. 2025, GSPO, equation 7); ``sum``: its completion's
            ``Σ log ρ_t``, the ratio of whole completions (Ahmadian et al. 2024, RLOO).
    """
    ratios_N = logprobs_N - old_logprobs_N.detach()
    if level == "token" or not len(owners_N):
        return ratios_N
    num_completions = int(owners_N.max()) + 1
    sums_S = ratios_N.new_zeros(num_completions).index_add(0, owners_N, ratios_N)
    if level == "mean":
        sums_S = sums_S / torch.bincount(owners_N, minlength=num_completions).clamp(min=1)
    return sums_S[owners_N]


def compute_clipped(
    log_ratios_N: Tensor, advantages_N: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    """``-min(ρ A, clip(ρ, 1 - ε_low, 1 + ε_high) A)``.

    Schulman et al. 2017 ("Proximal policy optimization algorithms"), equation 7; GRPO's first term
    (Shao et al. 2024, "DeepSeekMath", equation 3); with ε_high above ε_low DAPO's clip-higher (Yu
    et al. 2025, equation 8); of ratios of level ``mean`` GSPO (Zheng et al. 2025, equation 5).

    Args:
        log_ratios_N: as `compute_log_ratios` gives them.
        advantages_N: float32; they get no gradient.
        clip_low, clip_high: how far below and above 1 a ratio still gets a gradient, above 0;
            `clip_low` below 1.
    """
    ratios_N, advantages_N = log_ratios_N.exp(), advantages_N.detach()
    clipped_N = ratios_N.clamp(1 - clip_low, 1 + clip_high)
    return -torch.minimum(ratios_N * advantages_N, clipped_N * advantages_N)


def compute_cispo(
    logprobs_N: Tensor, log_ratios_N: Tensor, advantages_N: Tensor, *, clip_high: float
) -> Tensor:
    """``-sg[min(ρ, 1 + ε_high)] A log π``: a token beyond the clip is weighed less, never dropped.

    MiniMax 2025 ("MiniMax-M1", equations 4 and 5), whose ratio has no lower bound; sg is no
    gradient.
    """
    weights_N = log_ratios_N.detach().exp().clamp(max=1 + clip_high)
    return -weights_N * advantages_N.detach() * logprobs_N


@torch.no_grad()
def find_clipped(
    log_ratios_N: Tensor, advantages_N: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    """Whether a token's ratio lies beyond the clip on the side that its advantage pushes it to.

    Bool, shape (N,): the tokens to which `compute_clipped` gives no gradient, and `compute_cispo` a
    smaller one (there `clip_low` is infinite).
    """
    ratios_N = log_ratios_N.exp()
    is_low_N = (ratios_N < 1 - clip_low) & (advantages_N < 0)
    return is_low_N | ((ratios_N > 1 + clip_high) & (advantages_N > 0))
