"""Losses that look at the reward of each answer of a pair by itself, not at their difference alone.

Each gives one loss for every pair, float32 of shape (P,). With the rewards
``r_w = β log π(y_w|x)/π_ref(y_w|x)`` and ``r_l`` alike of the rejected answer:
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from assay.losses.pairs import Pairs


def compute_nca(pairs: Pairs, *, beta: float) -> Tensor:
    """``-log σ(r_w) - ½ log σ(-r_w) - ½ log σ(-r_l)``.

    Chen et al. 2024 ("Noise contrastive alignment of language models with explicit rewards"),
    for pairs: the chosen answer's likelihood is kept from falling.
    """
    chosen_P, rejected_P = _rewards(pairs, beta)
    return -logsigmoid(chosen_P) - 0.5 * logsigmoid(-chosen_P) - 0.5 * logsigmoid(-rejected_P)


def compute_bco(pairs: Pairs, *, beta: float) -> Tensor:
    """``-log σ(r_w) - log σ(-r_l)``: a classifier of wanted and unwanted answers.

    Jung et al. 2024 ("Binary classifier optimization for large language model alignment");
    without their shift of rewards by a running mean, which would be a state of training.
    """
    chosen_P, rejected_P = _rewards(pairs, beta)
    return -logsigmoid(chosen_P) - logsigmoid(-rejected_P)


def compute_sppo(pairs: Pairs, *, beta: float) -> Tensor:
    """``(r_w / β - 1 / (2 β))² + (r_l / β + 1 / (2 β))²``.

    Wu et al. 2024 ("Self-play preference optimization"), equation 4.7 with win rates of 1 and 0
    (SPPO-hard); β is the inverse of their η.
    """
    half = 0.5 / beta
    return (pairs.chosen_logratios_P - half).square() + (pairs.rejected_logratios_P + half).square()


def compute_apo_zero(pairs: Pairs, *, beta: float) -> Tensor:
    """``(1 - σ(r_w)) + σ(r_l)``: the chosen answer is better than what the model would say.

    D'Oosterlinck et al. 2024 ("Anchored preference optimization"), equation 7.
    """
    chosen_P, rejected_P = _rewards(pairs, beta)
    return 1 - torch.sigmoid(chosen_P) + torch.sigmoid(rejected_P)


def compute_apo_down(pairs: Pairs, *, beta: float) -> Tensor:
    """``σ(r_w) + (1 - σ(r_w - r_l))``: both answers are worse than what the model would say.

    D'Oosterlinck et al. 2024, equation 8.
    """
    chosen_P, rejected_P = _rewards(pairs, beta)
    return torch.sigmoid(chosen_P) + 1 - torch.sigmoid(chosen_P - rejected_P)


def _rewards(pairs: Pairs, beta: float) -> tuple[Tensor, Tensor]:
    return beta * pairs.chosen_logratios_P, beta * pairs.rejected_logratios_P


def compute_halves(pairs: Pairs, *, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """``½ [l(β r_w) + l(-β r_l)]`` with the gradient of the whole sum, where l is -log σ.

    The loss of unpaired AOT, ``l(β (u_(i) - v_(i)))`` (Melnyk et al. 2024), whose two answers stand
    in different pairs: in each of these the other's log-ratio is part of the reference, and a
    number. Both halves have the value of the whole, and each the gradient of its own answer. With
    smoothing ε, ``(1 - ε) l(x) + ε l(-x)`` is in the place of l(x).
    """
    losses_P = torch.zeros_like(pairs.chosen_logprobs_P)
    for gaps_P in (beta * pairs.chosen_logratios_P, -beta * pairs.rejected_logratios_P):
        losses_P = losses_P - (1 - label_smoothing) * logsigmoid(gaps_P)
        losses_P = losses_P - label_smoothing * logsigmoid(-gaps_P)
    return losses_P - 0.5 * losses_P.detach()
