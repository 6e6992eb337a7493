"""Losses of rated answers: each is wanted or not, and there are no pairs.

Shape legend: A rated answers. Each gives one loss for every answer, float32 of shape (A,), before
the weights of wanted and unwanted ones.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def compute_kto(
    logratios_A: Tensor, is_wanted_A: Tensor, *, beta: float, kl: Tensor | float
) -> Tensor:
    """``1 - σ(β (log π(y|x)/π_ref(y|x) - z))`` where wanted, ``1 - σ(β (z - log …))`` elsewhere.

    Ethayarajh et al. 2024 ("KTO: model alignment as prospect theoretic optimization"), equation 7.

    Args:
        logratios_A: ``log π(y|x) / π_ref(y|x)`` of each answer, summed over its tokens.
        is_wanted_A: bool.
        beta: above 0.
        kl: z, an estimate of KL(π ‖ π_ref) of at least 0, which gets no gradient.
    """
    signs_A = torch.where(is_wanted_A, 1.0, -1.0).to(logratios_A.dtype)
    return 1 - torch.sigmoid(signs_A * beta * (logratios_A - kl))


def estimate_kl(logratios_M: Tensor) -> Tensor:
    """``max(0, mean of log π(y'|x)/π_ref(y'|x))`` over answers y' that belong to other prompts.

    The same paper's estimate; every answer of a step is put after another row's prompt.
    """
    return logratios_M.detach().mean().clamp(min=0)


def compute_bco_unpaired(
    logratios_A: Tensor, is_wanted_A: Tensor, *, beta: float, shift: Tensor | float
) -> Tensor:
    """``-log σ(β log … - δ)`` where wanted, ``-log σ(δ - β log …)`` elsewhere: a classifier.

    Jung et al. 2024 ("Binary classifier optimization for large language model alignment"), with
    their shift δ of rewards, half the sum of both kinds' means (`compute_shift`).

    Args:
        logratios_A: ``log π(y|x) / π_ref(y|x)`` of each answer, summed over its tokens.
        is_wanted_A: bool.
        beta: above 0.
        shift: δ divided by β, in nats; it gets no gradient.
    """
    signs_A = torch.where(is_wanted_A, 1.0, -1.0).to(logratios_A.dtype)
    return -logsigmoid(signs_A * beta * (logratios_A - shift))


def compute_shift(total_wanted: float, num_wanted: float, total: float, num: float) -> float:
    """Half the sum of the means of both kinds; where one is missing, the mean of the other.

    Args:
        total_wanted, num_wanted: sum and number of wanted answers' log-ratios.
        total, num: the same of unwanted ones.
    """
    kinds = ((total_wanted, num_wanted), (total, num))
    means = [value / count for value, count in kinds if count]
    return sum(means) / len(means) if means else 0.0


def compute_apo_zero_unpaired(logratios_A: Tensor, is_wanted_A: Tensor, *, beta: float) -> Tensor:
    """``1 - σ(β log π(y|x)/π_ref(y|x))`` where wanted, ``σ(β log …)`` elsewhere.

    The unpaired form of D'Oosterlinck et al. 2024 ("Anchored preference optimization"), equation 7:
    KTO with an estimate of 0.
    """
    return compute_kto(logratios_A, is_wanted_A, beta=beta, kl=0.0)
