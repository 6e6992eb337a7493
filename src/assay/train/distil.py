"""Distillation: a student's loss against its teacher on a packed batch, and what is told of it.

Shape legend: N supervised positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from assay.data.pack import PackedBatch
from assay.losses.distillation import Distillation, compute_distillation_sum
from assay.losses.divergence import Reference
from assay.models.as_base import adapters_off
from assay.models.forward import compute_supervised_hidden, get_head, load_batch
from assay.train.meter import NO_METER, Meter

DISTIL_METRICS = ("divergence", "agreement")
"""Means over supervised tokens: nats between teacher and student; the share of tokens where both
hold the same one likeliest."""


class DistilLoss:
    """The divergence of the student from its teacher at the supervised tokens of a batch.

    Args:
        settings: how both are compared.
        teacher: a causal language model in `packed_mode`, which is only read; None for the student
            itself with its adapters off, which costs no memory.
        seen: what the teacher sees of a batch: the same targets in their order, after other tokens.
        meter: is given `DISTIL_METRICS`.
    """

    def __init__(
        self,
        settings: Distillation,
        teacher: Any = None,
        *,
        seen: Callable[[PackedBatch], PackedBatch] = lambda batch: batch,
        meter: Meter = NO_METER,
    ) -> None:
        self.settings = settings
        self.teacher = teacher
        self.seen = seen
        self.meter = meter

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        reference = self._ask_teacher(model, batch)
        head = get_head(model)
        tensors = load_batch(batch, head.weight_VD.device)
        hidden_ND = compute_supervised_hidden(model, tensors)
        loss, told = compute_distillation_sum(
            hidden_ND,
            head,
            reference,
            tensors.target_ids_N,
            tensors.target_weights_N,
            self.settings,
        )
        values = (told.divergence, told.agreement)
        self.meter.add(dict(zip(DISTIL_METRICS, values, strict=True)), batch.loss_weight)
        return loss

    @torch.no_grad()
    def _ask_teacher(self, model: Any, batch: PackedBatch) -> Reference:
        """The teacher's hidden states, before the student's pass: only they are kept of its own."""
        teacher = model if self.teacher is None else self.teacher
        with adapters_off(model) if self.teacher is None else nullcontext():
            head = get_head(teacher)
            tensors = load_batch(self.seen(batch), head.weight_VD.device)
            hidden_ND = compute_supervised_hidden(teacher, tensors)
            weight_VD = head.weight_VD.to(hidden_ND.dtype)
        return Reference(hidden_ND, weight_VD, head.softcap, head.bias_V)
