"""The start-up self-test: packed logits must equal those of each sequence run by itself.

It runs on the user's own model, so that an architecture whose attention, positions or state leak
between packed sequences is refused before a step is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from assay.data.pack import build_batch
from assay.errors import TrainingError
from assay.models.forward import compute_hidden, get_head, load_batch, packed_mode

TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.25, torch.float16: 0.1}
"""Largest allowed absolute logit difference by dtype; contamination shows differences above 1."""


@torch.no_grad()
def check_isolation(model: Any, sequences: Sequence[Sequence[int]]) -> float:
    """Largest absolute difference between packed logits and the plain forward pass.

    Args:
        model: a causal language model.
        sequences: two or more token sequences, packed in this order.

    Raises:
        TrainingError: the difference is above the tolerance of the model's dtype, or the model is
            one whose head or attention the packed pass cannot reproduce.
    """
    training = model.training
    model.eval()
    try:
        packed_TV = _packed_logits(model, sequences)
        largest, start = 0.0, 0
        for ids in sequences:
            input_ids = torch.tensor([list(ids)], device=packed_TV.device)
            alone_TV = model(input_ids=input_ids, use_cache=False).logits[0].float()
            part_TV = packed_TV[start : start + len(ids)]
            largest = max(largest, float((part_TV - alone_TV).abs().max()))
            start += len(ids)
    except (TypeError, ValueError) as error:
        # A forward pass that takes no sequence lengths, or a feature that is not reproduced.
        raise TrainingError(
            f"packed training does not support {error}; choose another base"
        ) from error
    finally:
        model.train(training)
    dtype = model.get_output_embeddings().weight.dtype
    tolerance = TOLERANCES.get(dtype, 1e-3)
    if not largest <= tolerance:
        raise TrainingError(
            f"the isolation self-test failed: packed and separate logits of this base differ by"
            f" {largest:.3g}, more than {tolerance:g}; this architecture cannot be trained packed"
        )
    return largest


def _packed_logits(model: Any, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
    head = get_head(model)
    batch = build_batch(sequences, [[1.0] * len(ids) for ids in sequences])
    with packed_mode(model):
        hidden_TD = compute_hidden(model, load_batch(batch, head.weight_VD.device))
    logits_TV = (hidden_TD.to(head.weight_VD.dtype) @ head.weight_VD.t()).float()
    if head.softcap is None:
        return logits_TV
    return torch.tanh(logits_TV / head.softcap) * head.softcap
