"""The combinations of defences and other settings that cannot be meant."""

from __future__ import annotations

from assay.config.recipe import Recipe
from assay.config.rule import Rule
from assay.config.sections.objective import SftConfig


def _lacks_general_rows(recipe: Recipe) -> bool:
    defend = recipe.defend
    is_needed = defend.reads_general_rows and defend.general is None
    return is_needed and recipe.base.name != "tiny"


def _exceeds_rank(recipe: Recipe) -> bool:
    limit = recipe.defend.max_rank
    rank = getattr(recipe.method, "rank", None)
    return limit is not None and (rank is None or rank > limit)


def _sweeps_rank(recipe: Recipe) -> bool:
    limited = recipe.defend.max_rank is not None
    return limited and any(key in ("rank", "method.rank") for key in recipe.sweep)


DEFEND_RULES = (
    Rule(
        ("defend.preset", "method.type"),
        lambda recipe: recipe.defend.preset == "auto" and recipe.method.trains_base,
        "defend auto with a method that changes the base",
        "auto with adapters, which it is limited to",
        "set method to lora, or name single defences: replay, stop_on_drift",
    ),
    Rule(
        ("defend", "method.type"),
        lambda recipe: (
            recipe.defend.preset != "auto"
            and recipe.defend.needs_adapters
            and recipe.method.trains_base
        ),
        "kl or token_betas with a method that changes the base",
        "adapters, whose base is at hand when they are off",
        "set method to lora, or remove it",
    ),
    Rule(
        ("defend.general", "defend", "base.name"),
        _lacks_general_rows,
        "replay or kl without general rows",
        "a file of rows of what this base does well (built in for `tiny` alone)",
        "name it in defend.general, or set replay and kl to 0",
    ),
    Rule(
        ("defend.general", "defend"),
        lambda recipe: recipe.defend.general is not None and not recipe.defend.reads_general_rows,
        "general rows that nothing reads",
        "general rows with replay or kl",
        "set defend.replay or defend.kl, or remove it",
    ),
    Rule(
        ("defend.kl_share", "defend.kl"),
        lambda recipe: (
            "kl_share" in recipe.defend.model_fields_set
            and recipe.defend.kl_share != 0.1
            and not recipe.defend.kl_weight
        ),
        "a share of rows for kl without kl",
        "kl_share with kl",
        "set defend.kl, or remove it",
    ),
    Rule(
        ("defend.token_betas", "objective.label_smoothing"),
        lambda recipe: (
            bool(recipe.defend.token_betas)
            and isinstance(recipe.objective, SftConfig)
            and recipe.objective.label_smoothing > 0
        ),
        "token_betas with label smoothing",
        "one of them: constrained tuning has a loss of its own",
        "remove one",
    ),
    Rule(
        ("defend.max_rank", "method.rank", "method.type"),
        _exceeds_rank,
        "a limit of the rank that this method does not keep",
        "a method with a rank, at most that",
        "lower method.rank, set method to lora, or raise the limit",
    ),
    Rule(
        ("defend.max_rank", "sweep"),
        _sweeps_rank,
        "a limit of the rank beside a sweep over ranks",
        "one of them",
        "remove it, and sweep over ranks within the limit",
    ),
)
