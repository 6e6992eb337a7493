"""Fills in what a recipe leaves to rule, and says why; pure functions of the recipe.

What depends on the data or the machine (context length, precision) is left to the stage that
knows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from assay.config.recipe import Recipe
from assay.config.sections.method import AdapterConfig, QloraConfig
from assay.config.setting import Section, get_note

DEFAULT_EPOCHS = 3.0

_LEARNING_RATES = {
    ("lora", "tiny"): (2e-3, "the embedded base is small: adapters learn well at this rate"),
    ("qlora", "tiny"): (2e-3, "as for lora: only how the frozen base is held differs"),
    ("full", "tiny"): (5e-4, "the embedded base is small: all weights learn well at this rate"),
    ("lora", ""): (2e-4, "the usual rate for adapters with alpha at twice the rank"),
    ("qlora", ""): (2e-4, "as for lora: only how the frozen base is held differs"),
    ("full", ""): (2e-5, "the usual rate when all weights are trained"),
}


@dataclass(frozen=True)
class Choice:
    """A value found by rule and the reason of it."""

    value: Any
    reason: str


def choose_learning_rate(method: str, base: str) -> Choice:
    """Peak learning rate of a method (its `type`) on a base (its name)."""
    own = _LEARNING_RATES.get((method, base))
    value, reason = own or _LEARNING_RATES[method, ""]
    return Choice(value, reason)


def choose_alpha(rank: int) -> Choice:
    """Scale of an adapter: twice its rank, so that the learning rate fits whatever the rank is."""
    return Choice(2.0 * rank, "twice the rank: what the rules of the learning rate assume")


def choose_epochs(max_steps: int | None) -> Choice:
    """Epochs when the recipe names none: three, or none where steps are counted."""
    if max_steps is not None:
        return Choice(None, "train.max_steps decides")
    return Choice(DEFAULT_EPOCHS, "enough to learn a task, few enough not to learn rows by heart")


def choose_name(path: Path) -> Choice:
    """The run's name: the recipe's file name, or its folder's when the file is called recipe."""
    path = path.absolute()
    plain = path.stem in ("recipe", "assay")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.parent.name if plain else path.stem).lstrip("._-")
    source = "folder" if plain else "file"
    return Choice(name[:100] or "run", f"the recipe's {source} name")


def describe_rule(key: str) -> str:
    """The rule that fills in `key` where the recipe does not, in words; empty if there is none."""
    if key == "train.epochs":
        return f"{DEFAULT_EPOCHS:g} ({choose_epochs(None).reason}), or null with train.max_steps"
    if key == "train.learning_rate":
        rates = [
            f"{value:g} for {method}{f' on {base}' if base else ''}"
            for (method, base), (value, _) in _LEARNING_RATES.items()
        ]
        return f"found by rule: {', '.join(rates)}"
    if key == "method.alpha":
        return choose_alpha(1).reason
    return ""


def resolve(recipe: Recipe, *, path: Path) -> tuple[Recipe, dict[str, str]]:
    """The recipe with every rule applied, and for each key at its default the reason of it."""
    reasons = dict(_list_reasons(recipe))
    train, data = recipe.train, recipe.data
    found: dict[str, Choice] = {}
    if train.learning_rate is None:
        found["train.learning_rate"] = choose_learning_rate(recipe.method.type, recipe.base.name)
    if train.epochs is None:
        found["train.epochs"] = choose_epochs(train.max_steps)
    method = recipe.method
    if isinstance(method, AdapterConfig) and method.alpha is None:
        found["method.alpha"] = choose_alpha(method.rank)
    if isinstance(method, QloraConfig) and method.quantization == "int8":
        found["method.double_quantization"] = Choice(False, "int8 has no scales to save on")
    for split in ("validation", "test"):
        if getattr(data, split) is not None and f"{split}_ratio" not in data.model_fields_set:
            found[f"data.{split}_ratio"] = Choice(0.0, f"data.{split} names the rows")
    if recipe.name is None:
        found["name"] = choose_name(path)
    reasons |= {key: choice.reason for key, choice in found.items()}
    return _replace(recipe, {key: choice.value for key, choice in found.items()}), reasons


def _replace(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """A copy with `values` by dotted key; every other key stays set or unset as it was."""
    changed: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        if section:
            block = changed.get(section, getattr(recipe, section))
            changed[section] = block.model_copy(update={name: value})
        else:
            changed[name] = value
    return recipe.model_copy(update=changed)


def _list_reasons(section: BaseModel, *, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The dotted key and reason of every leaf that the user did not set."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _list_reasons(value, prefix=f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Section):
            for index, entry in enumerate(value):
                yield from _list_reasons(entry, prefix=f"{prefix}{name}.{index}.")
        elif name not in section.model_fields_set:
            yield f"{prefix}{name}", get_note(field, "reason")
