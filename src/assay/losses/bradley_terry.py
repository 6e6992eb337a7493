"""The loss of a reward model on pairs: which of two answers is better (Bradley and Terry).

Shape legend: P pairs.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid


def compute_bradley_terry(
    chosen_P: Tensor,
    rejected_P: Tensor,
    *,
    margins_P: Tensor | None = None,
    centring: float = 0.0,
) -> Tensor:
    """``-log σ(r_w - r_l - m) + c (r_w + r_l)²`` of each pair, float32 of shape (P,).

    The first term is that of Bradley and Terry 1952 as Ouyang et al. 2022 ("Training language
    models to follow instructions with human feedback", equation 1) have it, with the margin m of
    Touvron et al. 2023 ("Llama 2", equation 2). The second holds rewards around 0, where nothing
    else says what a reward of 0 is (Eisenstein et al. 2023, "Helping or herding?", equation 2).

    Args:
        chosen_P, rejected_P: rewards of the chosen and of the rejected answers, float32.
        margins_P: by how much the chosen answer's is to be greater; 0 where there are none.
        centring: the weight c, from 0.
    """
    margins = 0.0 if margins_P is None else margins_P
    losses_P = -logsigmoid(chosen_P - rejected_P - margins)
    return losses_P + centring * (chosen_P + rejected_P).square() if centring else losses_P
