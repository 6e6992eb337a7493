"""Settings that a recipe may name and that nothing carries out so far: refused, never ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.config.recipe import Recipe
from assay.config.rule import Rule


def _rule(keys: str, got: str, allowed: str, broken: Callable[[Recipe], Any]) -> Rule:
    do = f"write {allowed.split(', ')[0]}" if allowed else "remove it"
    names = tuple(keys.split())
    return Rule(names, lambda recipe: bool(broken(recipe)), got, allowed or "its default", do)


TECHNIQUES_TO_COME = ("compile", "reuse_in_memory", "reuse_on_disk")
NOT_YET = (
    _rule(
        "train.techniques",
        "a technique that is not available yet",
        "auto, or a list of checkpoint_layers, offload_activations, step_per_layer",
        lambda recipe: set(TECHNIQUES_TO_COME) & set(recipe.train.techniques),
    ),
)
