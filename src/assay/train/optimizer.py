"""Builds optimizers from PyTorch's own; it knows nothing of schedules or steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

OptimizerName = Literal["adamw", "muon"]


def build_optimizers(
    model: nn.Module,
    *,
    name: OptimizerName = "adamw",
    learning_rate: float,
    weight_decay: float = 0.0,
    betas: Sequence[float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    matrix_learning_rate: float | None = None,
) -> list[torch.optim.Optimizer]:
    """Optimizers over the trainable parameters of `model`, in the order of their names.

    AdamW (Loshchilov and Hutter 2019) decays matrices only: norms and biases are exempt. With
    ``muon`` (Jordan et al. 2024) the hidden matrices get Muon at `matrix_learning_rate`, scaled to
    match AdamW's update size (Liu et al. 2025), and embeddings, head and vectors keep AdamW. Each
    parameter group remembers its peak as ``peak_learning_rate``.
    """
    trainable = [(n, p) for n, p in sorted(model.named_parameters()) if p.requires_grad]
    matrices = [p for n, p in trainable if name == "muon" and p.ndim == 2 and not _is_table(n)]
    chosen = {id(p) for p in matrices}
    rest = [p for _, p in trainable if id(p) not in chosen]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimizers: list[Any] = []
    if groups:
        optimizers.append(
            torch.optim.AdamW(
                groups, lr=learning_rate, betas=(betas[0], betas[1]), eps=epsilon, fused=True
            )
        )
    if matrices:
        optimizers.append(
            torch.optim.Muon(
                matrices,
                lr=matrix_learning_rate or learning_rate,
                weight_decay=weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_learning_rate"] = group["lr"]
    return optimizers


def set_learning_rate(optimizers: list[torch.optim.Optimizer], factor: float) -> float:
    """Set every group to `factor` times its peak; returns the first group's learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_learning_rate"] * factor
    return float(optimizers[0].param_groups[0]["lr"])


def _is_table(name: str) -> bool:
    return "embed" in name or "lm_head" in name
