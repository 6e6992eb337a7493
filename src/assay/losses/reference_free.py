"""Losses of pairs that need no reference: ORPO, SimPO, CPO; and the term that learns answers.

Each gives one loss for every pair, float32 of shape (P,).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from assay.losses.pairs import Pairs


def compute_nll(logprobs_P: Tensor, num_tokens_P: Tensor) -> Tensor:
    """``-log π(y_w|x) / |y_w|``: supervised learning of the chosen answer, mean over its tokens.

    The term beside DPO of Pang et al. 2024 ("Iterative reasoning preference optimization",
    equation 1), and of ORPO and CPO. The mean is of each answer, so that
    a pair counts the same whichever others stand in its batch.
    """
    return -logprobs_P / num_tokens_P


def compute_odds_ratio(pairs: Pairs) -> Tensor:
    """``-log σ(log odds(y_w|x) - log odds(y_l|x))``, with ``odds(y) = p / (1 - p)``.

    ``p`` is the geometric mean of the answer's token probabilities: Hong et al. 2024 ("ORPO"),
    equations 4 and 7.
    """
    means = pairs.per_token()
    chosen_P, rejected_P = means.chosen_logprobs_P, means.rejected_logprobs_P
    log_odds_P = (chosen_P - rejected_P) - (_log1mexp(chosen_P) - _log1mexp(rejected_P))
    return -logsigmoid(log_odds_P)


def compute_simpo(
    pairs: Pairs, *, beta: float, gamma: float, label_smoothing: float = 0.0
) -> Tensor:
    """``-log σ(β log π(y_w|x)/|y_w| - β log π(y_l|x)/|y_l| - γ)``.

    Meng et al. 2024 ("SimPO"), equation 6; smoothing as in the conservative DPO.
    """
    means = pairs.per_token()
    margins_P = beta * (means.chosen_logprobs_P - means.rejected_logprobs_P) - gamma
    return _smooth(margins_P, label_smoothing)


def compute_cpo(pairs: Pairs, *, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """``-log σ(β log π(y_w|x) - β log π(y_l|x))``.

    Xu et al. 2024 ("Contrastive preference optimization"), equation 3: DPO with a uniform
    reference.
    """
    margins_P = beta * (pairs.chosen_logprobs_P - pairs.rejected_logprobs_P)
    return _smooth(margins_P, label_smoothing)


def _smooth(margins_P: Tensor, label_smoothing: float) -> Tensor:
    losses_P = -logsigmoid(margins_P)
    if not label_smoothing:
        return losses_P
    return (1 - label_smoothing) * losses_P - label_smoothing * logsigmoid(-margins_P)


def _log1mexp(x_P: Tensor) -> Tensor:
    """``log(1 - exp(x))`` for x below 0, without cancellation (Mächler 2012).

    An answer of probability 1 has no odds: it is taken as the largest that float32 tells from 1.
    """
    x_P = x_P.clamp(max=-torch.finfo(x_P.dtype).eps)
    is_near = x_P > -0.6931471805599453
    # Of both branches autograd sees each where it is chosen alone: the other's may be infinite.
    near_P = torch.log(-torch.expm1(torch.where(is_near, x_P, -0.5)))
    far_P = torch.log1p(-torch.exp(torch.where(is_near, -1.0, x_P)))
    return torch.where(is_near, near_P, far_P)
