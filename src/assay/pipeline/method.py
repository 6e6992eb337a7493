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
    """`model` made trainable by the recipe's method: with adapters, or its own weights.

    PPO's value head comes beside either (`assay.models.value_head`).
    """
    from assay.models.value_head import add_value_head

    wrapped = _add_method(job, model)
    if job.recipe.objective.type == "ppo":
        whole = job.recipe.method.trains_base
        add_value_head(wrapped if whole else wrapped.get_base_model())
    return wrapped


def _add_method(job: Job, model: Any) -> Any:
    import torch

    from assay.models.methods.freeze import unfreeze
    from assay.models.methods.passthrough import add_peft

    method = job.recipe.method
    torch.manual_seed(job.recipe.seed)
    if job.recipe.objective.gives_scores:
        _add_score_head(job, model)
    if isinstance(method, (AdapterConfig, PeftConfig)) and _goes_on(job):
        return _go_on(job, method.start_from, model)
    if isinstance(method, PeftConfig):
        return add_peft(model, method.config, base_name=job.base.name)
    if isinstance(method, AdapterConfig):
        return _add_adapter(job, method, model)
    if isinstance(method, FreezeConfig):
        unfreeze(model, top_layers=method.top_layers, patterns=method.patterns)
    else:
        model.requires_grad_(True)
    return _train_score_head(model)


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
    from assay.models.score_head import check_scorable

    method, wrapped = job.recipe.method, None
    if job.recipe.objective.gives_scores:
        check_scorable(model)
    if isinstance(method, (AdapterConfig, PeftConfig)) and _goes_on(job):
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


def _goes_on(job: Job) -> bool:
    """Whether one adapter is trained on as it is.

    A score head is trained beside an adapter of its own kind, which begins with the other's values.
    """
    starts = goes_on(getattr(job.recipe.method, "start_from", None))
    return starts and not job.recipe.objective.gives_scores


def _add_score_head(job: Job, model: Any) -> None:
    """In float32 beside a frozen base; else as the base's weights, with which it is saved."""
    import torch

    from assay.models.score_head import add_score_head

    whole = job.recipe.method.trains_base
    add_score_head(model, dtype=next(model.parameters()).dtype if whole else torch.float32)


def _train_score_head(model: Any) -> Any:
    """`model`, of which a score head is trained whole, and the output head not at all: a reward
    has no gradient for it, unless it is the embedding."""
    from assay.models.score_head import has_score_head

    if has_score_head(model):
        head = model.get_output_embeddings()
        if head is not None and head.weight is not model.get_input_embeddings().weight:
            head.requires_grad_(False)
        model.score.requires_grad_(True)
    return model


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
