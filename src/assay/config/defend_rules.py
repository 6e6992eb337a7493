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
        ("defend.inoculation",),
        lambda recipe: len(set(recipe.defend.prompts)) < len(recipe.defend.prompts),
        "the same candidate twice",
        "each candidate once",
        "remove one",
    ),
    Rule(
        ("defend.trait", "defend.steer", "defend.inoculation"),
        lambda recipe: (
            recipe.defend.trait is not None
            and not recipe.defend.steer
            and len(recipe.defend.prompts) < 2
        ),
        "a trait that nothing reads",
        "a trait with steer, or with several candidates of inoculation",
        "set defend.steer, or remove it",
    ),
    Rule(
        ("defend.steer", "launch.processes"),
        lambda recipe: recipe.defend.steer > 0 and recipe.launch.processes > 1,
        "steering on several processes, of which each would measure directions of its own part",
        "steering on one process",
        "set launch.processes to 1, or remove it",
    ),
    Rule(
        ("defend.steer", "sweep"),
        lambda recipe: recipe.defend.steer > 0 and bool(recipe.sweep),
        "steering in a sweep, whose candidates take turns on one base",
        "steering in a run of its own",
        "remove one",
    ),
    Rule(
        ("defend.steer", "train.techniques"),
        lambda recipe: (
            recipe.defend.steer > 0
            and bool({"reuse_in_memory", "reuse_on_disk"} & set(recipe.train.techniques))
        ),
        "steering with kept activations, which are of unsteered layers",
        "one of them",
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
