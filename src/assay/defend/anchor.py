"""Holds the tuned model to its base where rows are not to be learned but to be kept.

The base is the model itself with its adapters switched off, so it costs one forward pass without
gradient and no memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from assay.data.pack import PackedBatch
from assay.losses.kl import compute_kl_sum
from assay.models.as_base import adapters_off
from assay.models.forward import compute_supervised_hidden, get_head, load_batch


class AnchoredLoss:
    """`learned`, but on anchored batches KL(base ‖ tuned) of the supervised positions.

    A weighted sum of nats as every loss is (`assay.losses.kl`), so that a token that is to be kept
    counts as much as one that is to be learned. The divergence anchors what the loss of answers
    would move: the base's own uncertainty is kept too, and where the model is at its base there is
    no gradient at all (as KL-regularised fine-tuning of Soligo et al. 2026 has it). `weight`
    multiplies the divergence.
    """

    def __init__(
        self, learned: Callable[[Any, PackedBatch], Tensor], *, weight: float = 1.0
    ) -> None:
        self.learned = learned
        self.weight = weight

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        if not batch.is_anchored:
            return self.learned(model, batch)
        head = get_head(model)
        tensors = load_batch(batch, head.weight_VD.device)
        with torch.no_grad(), adapters_off(model):
            # Rows of new tokens are off with the adapters, so that the base has a head of its own.
            ref_weight_VD = get_head(model).weight_VD
            ref_hidden_ND = compute_supervised_hidden(model, tensors)
        hidden_ND = compute_supervised_hidden(model, tensors)
        weight_VD = head.weight_VD.to(hidden_ND.dtype)
        return self.weight * compute_kl_sum(
            hidden_ND,
            weight_VD,
            ref_hidden_ND,
            ref_weight_VD.to(ref_hidden_ND.dtype),
            tensors.target_weights_N,
            softcap=head.softcap,
            bias_V=head.bias_V,
            rows=head.rows,
        )
