"""Direct preference optimisation and what differs from it by the function of the margin alone.

Each gives one loss for every pair, float32 of shape (P,). With the margin
``m = log π(y_w|x)/π_ref(y_w|x) - log π(y_l|x)/π_ref(y_l|x)`` and ``h = β m``:
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from assay.losses.pairs import Pairs


def compute_sigmoid(pairs: Pairs, *, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """``-(1 - ε) log σ(h) - ε log σ(-h)``.

    Without smoothing it is DPO (Rafailov et al. 2023, equation 7); with it the conservative form of
    pairs of which a share ε is swapped (Mitchell 2023, "A note on DPO with noisy preferences"),
    whose minimum lies at ``σ(h) = 1 - ε``.
    """
    margins_P = beta * pairs.margins_P
    losses_P = -logsigmoid(margins_P)
    if not label_smoothing:
        return losses_P
    return (1 - label_smoothing) * losses_P - label_smoothing * logsigmoid(-margins_P)


def compute_sigmoid_norm(pairs: Pairs, *, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """DPO of means over tokens in the places of sums (length-normalised DPO).

    As Lambert et al. 2024 ("Tülu 3") use it; β is larger than that of DPO, by about the length of
    an answer.
    """
    return compute_sigmoid(pairs.per_token(), beta=beta, label_smoothing=label_smoothing)


def compute_robust(pairs: Pairs, *, beta: float, label_smoothing: float) -> Tensor:
    """``[-(1 - ε) log σ(h) + ε log σ(-h)] / (1 - 2 ε)``, for ε below 0.5.

    Its mean over labels of which a share ε is swapped is DPO's loss of the right ones (Ray
    Chowdhury et al. 2024, "Provably robust DPO"). It may be below 0.
    """
    margins_P = beta * pairs.margins_P
    clean_P, swapped_P = -logsigmoid(margins_P), -logsigmoid(-margins_P)
    return ((1 - label_smoothing) * clean_P - label_smoothing * swapped_P) / (
        1 - 2 * label_smoothing
    )


def compute_hinge(pairs: Pairs, *, beta: float) -> Tensor:
    """``max(0, 1 - h)``: SLiC's hinge on a normalised likelihood.

    Zhao et al. 2023 ("SLiC-HF"), with the margin to a reference as Liu et al. 2024 ("Statistical
    rejection sampling improves preference optimization", hinge-norm) have it.
    """
    return torch.relu(1 - beta * pairs.margins_P)


def compute_exo(pairs: Pairs, *, beta: float, label_smoothing: float) -> Tensor:
    """``KL(q ‖ p)`` of ``q = (σ(h), σ(-h))`` to ``p = (1 - ε, ε)``, for ε above 0.

    Ji et al. 2024 ("Towards efficient exact optimization", equation 16, for two answers): the
    reverse of DPO's divergence, so that the model seeks one mode.
    """
    margins_P = beta * pairs.margins_P
    wins_P, losses_P = torch.sigmoid(margins_P), torch.sigmoid(-margins_P)
    smoothing = margins_P.new_tensor(label_smoothing)
    return wins_P * (logsigmoid(margins_P) - torch.log1p(-smoothing)) + losses_P * (
        logsigmoid(-margins_P) - torch.log(smoothing)
    )


def compute_discopop(pairs: Pairs, *, beta: float, tau: float = 0.05) -> Tensor:
    """``-(1 - s) log σ(h) + s exp(-h)`` with ``s = σ(h / τ)``.

    A loss that a language model proposed (Lu et al. 2024, "Discovering preference optimization
    algorithms", equation 5); τ is the published 0.05.
    """
    margins_P = beta * pairs.margins_P
    shares_P = torch.sigmoid(margins_P / tau)
    return (1 - shares_P) * -logsigmoid(margins_P) + shares_P * torch.exp(-margins_P)
