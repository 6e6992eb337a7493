"""KL divergence of a reference to the model, over supervised positions, in chunks.

Shape legend: N supervised positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from assay.losses.chunks import PositionLoss, build_head, compute_each_loss, compute_loss_sum
from assay.losses.divergence import Reference, build_divergence
from assay.models.fast.head_rows import HeadRows


def compute_kl_sum(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ref_hidden_ND: Tensor,
    ref_weight_VD: Tensor,
    scale_N: Tensor,
    *,
    softcap: float | None = None,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Weighted sum of the divergences of the model from a reference at supervised positions.

    ``sum_n scale_n * sum_v p_ref,n(v) * [log p_ref,n(v) - log p_n(v)]``: the forward divergence
    KL(reference ‖ model), 0 where both agree (Kullback and Leibler 1951; as distillation's soft
    targets at temperature 1, Hinton et al. 2015, section 2).

    Args:
        hidden_ND: the model's final hidden states of the supervised positions, any float dtype.
        weight_VD: its output head's weight, same dtype as `hidden_ND`.
        ref_hidden_ND: the reference's hidden states of the same positions; they get no gradient.
        ref_weight_VD: its output head's weight, of the dtype of `ref_hidden_ND`; no gradient.
        scale_N: loss weights, float32, >= 0.
        softcap: Gemma 2's final logit soft cap, or None.
        bias_V: the output head's bias, which the reference has too, or None.
        rows: the model's trained rows in the places of those of `weight_VD`, or None; the reference
            has none.
        chunk: positions whose logits exist at one time; by default as `choose_chunk` has it.

    Returns:
        A float32 scalar in nats, >= 0 but for rounding; differentiable with respect to
        `hidden_ND`, `weight_VD` and the weight of `rows`.
    """
    head = build_head(len(scale_N), weight_VD, bias_V, rows, chunk)
    divergence = _build_kl(ref_hidden_ND, ref_weight_VD, softcap, bias_V)
    return compute_loss_sum(divergence, hidden_ND, head, scale_N)


@torch.no_grad()
def compute_token_kl(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    ref_hidden_ND: Tensor,
    ref_weight_VD: Tensor,
    *,
    softcap: float | None = None,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
) -> Tensor:
    """KL(reference ‖ model) at each position in nats, float32, shape (N,); no gradient.

    The arguments are those of `compute_kl_sum`.
    """
    head = build_head(len(hidden_ND), weight_VD, bias_V, rows)
    divergence = _build_kl(ref_hidden_ND, ref_weight_VD, softcap, bias_V)
    return compute_each_loss(divergence, hidden_ND, head)


def _build_kl(
    ref_hidden_ND: Tensor, ref_weight_VD: Tensor, softcap: float | None, bias_V: Tensor | None
) -> PositionLoss:
    reference = Reference(ref_hidden_ND, ref_weight_VD, softcap=softcap, bias_V=bias_V)
    return build_divergence(reference, softcap=softcap)
