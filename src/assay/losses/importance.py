"""Weights for completions that were sampled from another distribution than the one that learns."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def compute_truncated_weights(
    old_logprobs_N: Tensor, sampled_logprobs_N: Tensor, *, cap: float
) -> Tensor:
    """``min(π_old(y_t) / μ(y_t), C)`` of every token, float32, shape (N,), without gradient.

    Truncated importance sampling (Ionides 2008), of tokens as Yao et al. 2025 ("Your efficient RL
    framework secretly brings you off-policy RL training") put it before the clipped loss: the
    sampler's μ differs from the policy of the training pass by kernels, precision or top-p.

    Args:
        old_logprobs_N: under the model that sampled, as the training pass computes it.
        sampled_logprobs_N: of the distribution that was sampled from.
        cap: C, at least 1.
    """
    return (old_logprobs_N - sampled_logprobs_N).exp().clamp(max=cap)
