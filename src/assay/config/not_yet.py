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


NOT_YET = (
    _rule(
        "train.techniques",
        "techniques, which are not available yet",
        "auto",
        lambda recipe: recipe.train.techniques != "auto",
    ),
)
