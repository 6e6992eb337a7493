"""Estimates of KL(π ‖ π_ref) from the tokens that π sampled: Schulman's k1, k2 and k3.

J. Schulman 2020, "Approximating KL divergence" (joschu.net/blog/kl-approx.html). With
``l = log π(y_t) - log π_ref(y_t)``, in nats, for every token, float32 of shape (N,):

=====  ===================  ===========================  ===================================
       value                mean over samples of π       mean of its gradient, samples of π
=====  ===================  ===========================  ===================================
k1     l                    KL(π ‖ π_ref)                0: it belongs into the reward
k2     l² / 2               about KL(π ‖ π_ref)          ∇KL(π ‖ π_ref)
k3     exp(-l) - 1 + l      KL(π ‖ π_ref)                ∇KL(π_ref ‖ π)
=====  ===================  ===========================  ===================================

k3 is at least 0 everywhere and varies least; as a loss it is GRPO's (Shao et al. 2024, equation 4).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Estimator = Literal["k1", "k2", "k3"]


def estimate_kl(logprobs_N: Tensor, ref_logprobs_N: Tensor, estimator: Estimator) -> Tensor:
    """The estimate at every token; differentiable with respect to `logprobs_N`.

    Args:
        logprobs_N: log-probabilities of the sampled tokens under π.
        ref_logprobs_N: the same under the reference; they get no gradient.
        estimator: see the table above.
    """
    gaps_N = logprobs_N - ref_logprobs_N.detach()
    if estimator == "k1":
        return gaps_N
    if estimator == "k2":
        return gaps_N.square() / 2
    return torch.expm1(-gaps_N) + gaps_N
