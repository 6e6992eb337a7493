"""Supervised fine-tuning: its loss on a packed batch, its mean over a validation set, NEFTune."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from assay.data.pack import PackedBatch
from assay.losses.cross_entropy import compute_cross_entropy_sum
from assay.models.forward import compute_supervised_hidden, get_head, load_batch
from assay.train.ranks import ALONE, Ranks
from assay.train.shard import GatheredLoss, level_batches
from assay.train.step import BeginsStep, LossFunction, autocast


class SftLoss:
    """Cross-entropy of the supervised tokens (`assay.losses.cross_entropy`)."""

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        head = get_head(model)
        tensors = load_batch(batch, head.weight_VD.device)
        hidden_ND = compute_supervised_hidden(model, tensors)
        return compute_cross_entropy_sum(
            hidden_ND,
            head.weight_VD.to(hidden_ND.dtype),
            tensors.target_ids_N,
            tensors.target_weights_N,
            label_smoothing=self.label_smoothing,
            softcap=head.softcap,
            bias_V=head.bias_V,
            rows=head.rows,
        )


@torch.no_grad()
def compute_mean_loss(
    model: Any,
    batches: Sequence[PackedBatch],
    *,
    loss: LossFunction | None = None,
    precision: str = "fp32",
    ranks: Ranks = ALONE,
) -> float:
    """Mean of `loss` per unit of weight over `batches`, without dropout.

    By default that of supervised tokens, without label smoothing. With several `ranks`, `batches`
    are this rank's share, and the mean is over all.
    """
    loss, total, weight = loss or GatheredLoss(SftLoss()), 0.0, 0.0
    training = model.training
    model.eval()
    if isinstance(loss, BeginsStep):
        loss.begin_step(model, batches, precision=precision, ranks=ranks)
    for batch in level_batches(model, batches, ranks):
        if batch.target_ids:
            with autocast(precision, next(model.parameters()).device):
                total += float(loss(model, batch))
            weight += batch.loss_weight
    model.train(training)
    total, weight = ranks.sum(total, weight)
    return total / weight if weight else float("nan")


@contextmanager
def neftune_noise(model: Any, *, alpha: float) -> Iterator[None]:
    """Uniform noise of size alpha / sqrt(L * D) on the embeddings of each sequence while training.

    L is the sequence's length and D the embedding size (Jain et al. 2023, algorithm 1).
    """
    if not alpha:
        yield
        return
    lengths: list[int] = []

    def remember(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        lengths[:] = kwargs.get("sequence_lengths") or []

    def add_noise(module: Any, args: Any, output_1TD: Tensor) -> Tensor:
        if not (model.training and lengths):
            return output_1TD
        size_T = torch.tensor(lengths, device=output_1TD.device).repeat_interleave(
            torch.tensor(lengths, device=output_1TD.device)
        )
        bound_T1 = alpha / (size_T[:, None] * output_1TD.shape[-1]) ** 0.5
        noise_1TD = (torch.rand_like(output_1TD) * 2 - 1) * bound_T1
        return output_1TD + noise_1TD.to(output_1TD.dtype)

    hooks = [
        model.base_model.register_forward_pre_hook(remember, with_kwargs=True),
        model.get_input_embeddings().register_forward_hook(add_noise),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
