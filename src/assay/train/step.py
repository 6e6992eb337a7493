"""One optimizer step: forward and backward of its micro-batches, clipping, update. No bookkeeping.

The loss of a step is one weighted sum over all its supervised tokens, divided once by their total
weight, so that any split into micro-batches gives the same gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from assay.data.pack import PackedBatch
from assay.errors import TrainingError
from assay.train.optimizer import Optimizer
from assay.train.ranks import ALONE, Ranks, is_sharded


class LossFunction(Protocol):
    """An objective: the weighted loss *sum* of a micro-batch, a float32 scalar with gradient."""

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor: ...


@dataclass(frozen=True)
class StepResult:
    """What one step did: mean loss per unit of weight, gradient norm before clipping, tokens."""

    loss: float
    grad_norm: float
    num_tokens: int
    loss_weight: float


def train_step(
    model: Any,
    batches: Sequence[PackedBatch],
    loss: LossFunction,
    optimizers: Sequence[Optimizer],
    *,
    max_grad_norm: float | None,
    precision: str = "fp32",
    after_micro_batch: Callable[[], None] | None = None,
    ranks: Ranks = ALONE,
) -> StepResult:
    """Accumulate the gradient of `batches` and move the optimizers once.

    With several `ranks`, `batches` are this rank's share of the step's, and the result is of all.

    Raises:
        TrainingError: the loss or the gradient is not finite; the optimizer has not moved.
    """
    (weight,) = ranks.sum(sum(batch.loss_weight for batch in batches))
    if weight <= 0:
        raise TrainingError("a step without a supervised token: every loss weight is 0")
    parameters = [p for p in model.parameters() if p.requires_grad]
    total = 0.0
    for batch in batches:
        if not batch.target_ids:
            continue
        with autocast(precision, parameters[0].device):
            loss_sum = loss(model, batch)
        (loss_sum / weight).backward()  # type: ignore[no-untyped-call]
        total += float(loss_sum.detach())
        if after_micro_batch:
            after_micro_batch()
    ranks.sum_gradients(parameters)
    total, num_tokens = ranks.sum(total, sum(b.num_tokens for b in batches if not b.is_filler))
    grad_norm = _clip_gradients(parameters, max_grad_norm or math.inf)
    if not (math.isfinite(total) and math.isfinite(grad_norm)):
        for optimizer in optimizers:
            optimizer.zero_grad()
        raise TrainingError(
            f"loss {total / weight} and gradient norm {grad_norm} are not both finite; the weights"
            " are those of the step before: lower train.learning_rate, or look at the rows of this"
            " step"
        )
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return StepResult(total / weight, grad_norm, int(num_tokens), weight)


def _clip_gradients(parameters: Sequence[torch.nn.Parameter], max_norm: float) -> float:
    """Scale the gradients down to `max_norm` together; returns their norm before."""
    norm: Any = torch.nn.utils.clip_grad_norm_(parameters, max_norm, foreach=True)
    return float(norm.full_tensor() if is_sharded(norm) else norm)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 autocast for ``bf16`` and ``mixed``, which differ in how weights are held alone."""
    if precision in ("bf16", "mixed"):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
