"""The recipe's method on a loaded base: what becomes trainable, and whether it fits the base."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.config.sections.method import (
    LORA_PLUS_RATIO,
    AdapterConfig,
    FreezeConfig,
    PeftConfig,
    StartFrom,
)
from assay.config.start import goes_on, list_start, locate_start
from assay.errors import ConfigError, Problem
from assay.pipeline.job import Job


def add_method(job: Job, model: Any) -> Any:
    """`model` made trainable by the recipe's method: with adapters, or its own weights."""
    import torch

    from assay.models.methods.freeze import unfreeze
    from assay.models.methods.passthrough import add_peft

    method = job.recipe.method
    torch.manual_seed(job.recipe.seed)
    if isinstance(method, (AdapterConfig, PeftConfig)) and goes_on(method.start_from):
        return _go_on(job, method.start_from, model)
    if isinstance(method, PeftConfig):
        return add_peft(model, method.config, base_name=job.base.name)
    if isinstance(method, AdapterConfig):
        return _add_adapter(job, method, model)
    if isinstance(method, FreezeConfig):
        return unfreeze(model, top_layers=method.top_layers, patterns=method.patterns)
    model.requires_grad_(True)
    return model


def check_method(job: Job, model: Any) -> None:
    """Whether the recipe's method fits `model`: asked before the baseline, which may take hours.

    Raises:
        ConfigError: names, ranks, layers or settings that do not fit this base; or a head that the
            loss cannot be computed of.
    """
    from assay.models.methods.freeze import unfreeze
    from assay.models.methods.passthrough import add_peft, remove_peft
    from assay.models.methods.targets import check_rank, check_targets
    from assay.models.methods.token_rows import train_token_rows

    method, wrapped = job.recipe.method, None
    if isinstance(method, (AdapterConfig, PeftConfig)) and goes_on(method.start_from):
        wrapped = _go_on(job, method.start_from, model)
    elif isinstance(method, PeftConfig):
        wrapped = add_peft(model, method.config)
    elif isinstance(method, AdapterConfig):
        check_targets(model, method.target_modules)
        train_token_rows(model, job.base.new_token_ids)
        if "pissa" in method.all_flavours:
            check_rank(model, method.target_modules, method.rank)
        _note_left_out(job, method, model)
    elif isinstance(method, FreezeConfig):
        unfreeze(model, top_layers=method.top_layers, patterns=method.patterns)
    _check_head(model)
    if wrapped is not None:
        remove_peft(wrapped)


def choose_factor(job: Job) -> Callable[[str], float]:
    """The multiple of the learning rate of each weight by its name: with LoRA+ that of every B."""
    method = job.recipe.method
    if not isinstance(method, AdapterConfig) or "lora_plus" not in method.all_flavours:
        return lambda name: 1.0
    ratio = float(getattr(method, "learning_rate_ratio", LORA_PLUS_RATIO))
    return lambda name: ratio if ".lora_B." in name else 1.0


def _add_adapter(job: Job, method: AdapterConfig, model: Any) -> Any:
    from assay.models.adapters import add_lora
    from assay.models.methods.start import add_start

    assert method.alpha is not None, "resolve() finds it"
    peft_model = add_lora(
        model,
        rank=method.rank,
        alpha=method.alpha,
        dropout=method.dropout,
        target_modules=method.target_modules,
        flavours=method.all_flavours,
        new_token_ids=job.base.new_token_ids,
        base_name=job.base.name,
    )
    if method.start_from is not None:
        add_start(peft_model, _locate(job, method.start_from))
    return peft_model


def _check_head(model: Any) -> None:
    from assay.models.forward import get_head

    try:
        get_head(model)
    except ValueError as error:
        raise ConfigError(
            Problem(
                key="method",
                got=str(error),
                allowed="an output head that is a linear layer, whole or with trained rows",
                do="leave the head out of the method's layers, or choose another base",
            )
        ) from error


def _go_on(job: Job, start_from: StartFrom, model: Any) -> Any:
    from assay.models.methods.start import go_on_from

    (folder,) = _locate(job, start_from)
    return go_on_from(model, folder, new_token_ids=job.base.new_token_ids)


def _note_left_out(job: Job, method: AdapterConfig, model: Any) -> None:
    from assay.models.methods.targets import ALL_LINEAR, find_left_out

    left_out = find_left_out(model, flavours=method.all_flavours, dropout=method.dropout)
    if method.target_modules == ALL_LINEAR and left_out:
        job.progress.note(f"the experts of this base stay frozen: they take no {left_out}")


def _locate(job: Job, start_from: StartFrom) -> dict[Path, float]:
    start = list_start(start_from)
    return {locate_start(name, job.base_dir): weight for name, weight in start.items()}
