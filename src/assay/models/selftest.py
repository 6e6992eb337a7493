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
        TrainingError: the difference is above the tolerance of the model's dtype, or the head is
            one that the chunked loss cannot reproduce.
    """
    try:
        head = get_head(model)
    except ValueError as error:
        raise TrainingError(
            f"packed training does not support {error}; choose another base"
        ) from error
    training = model.training
    model.eval()
    batch = build_batch(sequences, [[1.0] * len(ids) for ids in sequences])
    tensors = load_batch(batch, head.weight_VD.device)
    with packed_mode(model):
        hidden_TD = compute_hidden(model, tensors)
    packed_TV = (hidden_TD.to(head.weight_VD.dtype) @ head.weight_VD.t()).float()
    if head.softcap is not None:
        packed_TV = torch.tanh(packed_TV / head.softcap) * head.softcap
    largest, start = 0.0, 0
    for ids in sequences:
        alone = model(input_ids=torch.tensor([list(ids)], device=packed_TV.device))
        part = packed_TV[start : start + len(ids)]
        largest = max(largest, float((part - alone.logits[0].float()).abs().max()))
        start += len(ids)
    model.train(training)
    tolerance = TOLERANCES.get(head.weight_VD.dtype, 1e-3)
    if not largest <= tolerance:
        raise TrainingError(
            f"the isolation self-test failed: packed and separate logits of this base differ by"
            f" {largest:.3g}, more than {tolerance:g}; this architecture cannot be trained packed"
        )
    return largest
