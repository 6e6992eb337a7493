"""Constrained fine-tuning: the first tokens of every answer stay near those of the base.

What aligns a model lies for a large part in how its answers begin; ordinary tuning moves the first
tokens furthest (Qi et al. 2024). The reference is the model with its adapters off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from assay.data.pack import PackedBatch
from assay.losses.constrained import compute_constrained_sum
from assay.losses.cross_entropy import compute_token_logprobs
from assay.models.as_base import adapters_off
from assay.models.forward import compute_supervised_hidden, get_head, load_batch

BETAS = (0.5, 2.0, 2.0, 2.0, 2.0, 0.1)
"""Of an answer's first token, its second to fifth, and all later ones (Qi et al. 2024)."""


class ConstrainedLoss:
    """`assay.losses.constrained` with the base as reference; `betas` is used as in `spread_betas`.

    It costs one forward pass without gradient more than cross-entropy.
    """

    def __init__(self, betas: Sequence[float] = BETAS) -> None:
        self.betas = tuple(betas)

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        head = get_head(model)
        tensors = load_batch(batch, head.weight_VD.device)
        with torch.no_grad(), adapters_off(model):
            ref_head = get_head(model)
            ref_hidden_ND = compute_supervised_hidden(model, tensors)
            ref_logprobs_N = compute_token_logprobs(
                ref_hidden_ND,
                ref_head.weight_VD.to(ref_hidden_ND.dtype),
                tensors.target_ids_N,
                softcap=ref_head.softcap,
                bias_V=ref_head.bias_V,
            )
        hidden_ND = compute_supervised_hidden(model, tensors)
        betas = spread_betas(batch.target_positions, self.betas)
        return compute_constrained_sum(
            hidden_ND,
            head.weight_VD.to(hidden_ND.dtype),
            tensors.target_ids_N,
            ref_logprobs_N,
            torch.tensor(betas, dtype=torch.float32, device=hidden_ND.device),
            tensors.target_weights_N,
            softcap=head.softcap,
            bias_V=head.bias_V,
            rows=head.rows,
        )


def spread_betas(target_positions: Sequence[int], betas: Sequence[float]) -> list[float]:
    """The beta of each target: the k-th of an answer has the k-th, all later ones the last.

    `target_positions` rise; an answer is a stretch of them without a gap. A sequence's last token
    predicts nothing, so that no stretch goes on into the next sequence.
    """
    found: list[float] = []
    place = 0
    for index, position in enumerate(target_positions):
        follows = index > 0 and position == target_positions[index - 1] + 1
        place = place + 1 if follows else 0
        found.append(betas[min(place, len(betas) - 1)])
    return found
