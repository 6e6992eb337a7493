"""The recipe's method on a loaded base: what becomes trainable, and whether it fits the base."""

from __future__ import annotations

from typing import Any

from assay.config.sections.method import AdapterConfig
from assay.pipeline.job import Job


def add_method(job: Job, model: Any) -> Any:
    """`model` made trainable by the recipe's method: with fresh adapters, or all its weights."""
    from assay.models.adapters import add_lora

    method = job.recipe.method
    if method.type == "full":
        model.requires_grad_(True)
        return model
    import torch

    assert isinstance(method, AdapterConfig), "a rule refuses the others"
    assert method.alpha is not None, "resolve() finds it"
    torch.manual_seed(job.recipe.seed)
    return add_lora(
        model,
        rank=method.rank,
        alpha=method.alpha,
        dropout=method.dropout,
        target_modules=method.target_modules,
        flavours=method.all_flavours,
        base_name=job.base.name,
    )


def check_method(job: Job, model: Any) -> None:
    """Whether the recipe's method fits `model`: asked before the baseline, which may take hours.

    Raises:
        ConfigError: names in `method.target_modules` that match no linear layer.
    """
    from assay.models.adapters import check_targets

    if isinstance(job.recipe.method, AdapterConfig):
        check_targets(model, job.recipe.method.target_modules)
