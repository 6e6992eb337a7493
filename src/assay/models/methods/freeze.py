"""Trains some of a base's own weights: its last layers, and those that patterns name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch import nn

from assay.errors import ConfigError, Problem


def unfreeze(model: Any, *, top_layers: int | None, patterns: Sequence[str] = ()) -> Any:
    """`model` with gradients for its last `top_layers` layers and for what `patterns` match alone.

    A pattern is searched for in each weight's name, so ``\\.bias$`` is BitFit (Zaken et al. 2022).
    Tied weights have the name of the embedding.

    Raises:
        ConfigError: more layers than there are, a model whose layers are no list, patterns that
            match no weight; all of them.
    """
    names = [name for name, _ in model.named_parameters()]
    problems = [*_check_layers(model, top_layers), *_check_patterns(names, patterns)]
    if problems:
        raise ConfigError(problems)
    model.requires_grad_(False)
    layers = find_layers(model)
    if top_layers is not None and layers is not None:
        for layer in layers[len(layers) - top_layers :]:
            layer.requires_grad_(True)
    for name, parameter in model.named_parameters():
        if any(re.search(pattern, name) for pattern in patterns):
            parameter.requires_grad_(True)
    return model


def find_layers(model: Any) -> nn.ModuleList | None:
    """The decoder's layers, first to last; None where they are not one list."""
    num_layers = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    lists = (m for m in model.base_model.modules() if isinstance(m, nn.ModuleList))
    return next((found for found in lists if len(found) == num_layers), None)


def _check_layers(model: Any, top_layers: int | None) -> list[Problem]:
    if top_layers is None:
        return []
    layers = find_layers(model)
    if layers is None:
        got = f"{type(model).__name__}, whose layers are not one list"
        do = "name them with method.patterns, and set method.top_layers to null"
        return [Problem(key="method.top_layers", got=got, allowed="null", do=do)]
    if top_layers <= len(layers):
        return []
    allowed = f"at most {len(layers)}, the base's layers"
    do = "lower it, or set method to full"
    return [Problem(key="method.top_layers", got=str(top_layers), allowed=allowed, do=do)]


def _check_patterns(names: Sequence[str], patterns: Sequence[str]) -> list[Problem]:
    problems = []
    for pattern in patterns:
        try:
            matched = any(re.search(pattern, name) for name in names)
        except re.error as error:
            got = f"{pattern!r}, which is no regular expression ({error})"
        else:
            if matched:
                continue
            got = f"{pattern!r}, which matches no weight of this base"
        allowed = f"matches of names such as {', '.join(_show_kinds(names))}"
        problem = Problem(key="method.patterns", got=got, allowed=allowed, do="change or remove it")
        problems.append(problem)
    return problems


def _show_kinds(names: Sequence[str]) -> list[str]:
    """One name of each kind of weight, whichever layer it is in."""
    kinds = {re.sub(r"\d+", "N", name): name for name in reversed(names)}
    return list(reversed(list(kinds.values())))[:12]
