"""Identity preference optimisation: the margin is pulled to a number instead of ever further."""

from __future__ import annotations

from torch import Tensor

from assay.losses.pairs import Pairs


def compute_ipo(pairs: Pairs, *, beta: float) -> Tensor:
    """``(m - 1 / (2 β))²`` of the margin m of means over tokens, float32, shape (P,).

    Azar et al. 2023 ("A general theoretical paradigm to understand learning from human
    preferences"), equation 17, whose τ is β here. Its sums over tokens would make the target shrink
    with an answer's length; the authors' own results are with means.
    """
    return (pairs.per_token().margins_P - 1 / (2 * beta)).square()
