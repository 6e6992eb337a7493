"""The combinations of a method's settings that cannot be meant."""

from __future__ import annotations

from typing import Any

from assay.config.recipe import Recipe
from assay.config.rule import Rule
from assay.config.sections.method import AdapterConfig, FreezeConfig, PeftConfig
from assay.config.start import list_start

PROMPT_TYPES = ("ADAPTION_PROMPT", "CPT", "MULTITASK_PROMPT_TUNING")
"""Methods that rewrite attention, or want to know of each token or row what it is or belongs to."""

VIRTUAL_TYPES = ("CARTRIDGE", "P_TUNING", "PREFIX_TUNING", "PROMPT_TUNING")
"""Methods that put virtual tokens before each sequence."""

SCHEDULED_TYPES = ("ADALORA", "OSF", "POLY", "SHADOW", "XLORA")
"""Methods that want more of a training loop than gradients: rank schedules, routers, task ids."""

REWRITING_STARTS = ("pissa", "olora", "corda", "eva", "loftq", "lora_ga")
"""Ways of PEFT to start an adapter that change the base, so that it would not fit the original."""


def _get_config(recipe: Recipe, name: str) -> str:
    method = recipe.method
    found: Any = method.config.get(name) if isinstance(method, PeftConfig) else None
    return str(found) if found is not None else ""


def _lacks_virtual_tokens(recipe: Recipe) -> bool:
    """Whether they are not counted; an adapter that is trained on has its own number."""
    method = recipe.method
    if not isinstance(method, PeftConfig) or method.start_from is not None:
        return False
    number: Any = method.config.get("num_virtual_tokens")
    is_count = isinstance(number, int) and number > 0
    return _get_config(recipe, "peft_type") in VIRTUAL_TYPES and not is_count


def _get_flavours(recipe: Recipe) -> frozenset[str]:
    method = recipe.method
    return method.all_flavours if isinstance(method, AdapterConfig) else frozenset()


def _has_doubled_flavour(recipe: Recipe) -> bool:
    flavours = [*getattr(recipe.method, "flavours", []), recipe.method.type]
    return len(set(flavours)) < len(flavours)


METHOD_RULES = (
    Rule(
        ("base.new_tokens",),
        lambda recipe: len(set(recipe.base.new_tokens)) < len(recipe.base.new_tokens),
        "the same token twice",
        "each token once",
        "remove one",
    ),
    Rule(
        ("base.new_tokens", "method.type"),
        lambda recipe: (
            bool(recipe.base.new_tokens) and isinstance(recipe.method, (FreezeConfig, PeftConfig))
        ),
        "new tokens with a method that leaves embedding and head as they are",
        "new tokens with full, or with a method of low-rank adapters, which trains their rows too",
        "set method.type to lora",
    ),
    Rule(
        ("base.new_tokens", "method.start_from"),
        lambda recipe: (
            bool(recipe.base.new_tokens)
            and len(list_start(getattr(recipe.method, "start_from", None))) > 1
        ),
        "new tokens where several adapters are summed",
        "new tokens of a fresh adapter, or of the one that is trained on",
        "name one adapter",
    ),
    Rule(
        ("method.target_modules", "method.type"),
        lambda recipe: (
            isinstance(recipe.method, AdapterConfig) and not recipe.method.target_modules
        ),
        "an empty list",
        "all-linear, or at least one name ending",
        "remove it to adapt all linear layers",
    ),
    Rule(
        ("method.flavours", "method.type"),
        _has_doubled_flavour,
        "the same flavour twice",
        "each flavour once, the method's own not among them",
        "remove one",
    ),
    Rule(
        ("method.start_from", "method.type", "method.flavours"),
        lambda recipe: (
            "pissa" in _get_flavours(recipe)
            and getattr(recipe.method, "start_from", None) is not None
        ),
        "two starts: pissa, and method.start_from",
        "one of them",
        "remove one",
    ),
    Rule(
        ("method.config", "method.type"),
        lambda recipe: (
            isinstance(recipe.method, PeftConfig) and not _get_config(recipe, "peft_type")
        ),
        "no peft_type",
        "peft_type, and what that method has",
        "add it, for example `peft_type: IA3`",
    ),
    Rule(
        ("method.config", "method.type"),
        lambda recipe: _get_config(recipe, "peft_type") in PROMPT_TYPES,
        "a method that needs attention of its own, kinds of tokens, or task ids",
        "PROMPT_TUNING, P_TUNING or PREFIX_TUNING, or methods that change layers, such as IA3",
        "choose another method",
    ),
    Rule(
        ("method.config", "method.type"),
        _lacks_virtual_tokens,
        "no number of virtual tokens",
        "num_virtual_tokens, at least 1",
        "add it, for example `num_virtual_tokens: 20`",
    ),
    Rule(
        ("method.config", "method.type"),
        lambda recipe: _get_config(recipe, "peft_type") in SCHEDULED_TYPES,
        "a method that needs a training loop of its own (rank schedule, router or task ids)",
        "methods that need gradients alone, such as IA3, VERA, OFT, LOHA, LN_TUNING",
        "choose another method",
    ),
    Rule(
        ("method.config", "method.type"),
        lambda recipe: (
            _get_config(recipe, "init_lora_weights").lower().startswith(REWRITING_STARTS)
        ),
        "a start that rewrites the base, which the adapter would then not fit",
        "method.type pissa, whose start stands beside the base",
        "remove init_lora_weights, or set method.type to pissa",
    ),
    Rule(
        ("method.config", "method.type"),
        lambda recipe: _get_config(recipe, "task_type") not in ("", "CAUSAL_LM"),
        "another task than causal language models",
        "task_type CAUSAL_LM",
        "remove task_type",
    ),
)
