"""The combinations of training settings that cannot be meant; it opens no file."""

from __future__ import annotations

from assay.config.recipe import Recipe
from assay.config.rule import Rule


def _reuses(recipe: Recipe) -> bool:
    return bool({"reuse_in_memory", "reuse_on_disk"} & set(recipe.train.techniques))


TRAIN_RULES = (
    Rule(
        ("train.schedule", "train.optimizer"),
        lambda recipe: (
            recipe.train.optimizer == "schedule_free"
            and "schedule" in recipe.train.model_fields_set
            and recipe.train.schedule != "constant"
        ),
        "a falling learning rate with train.optimizer: schedule_free",
        "constant, since an average of the weights takes the schedule's place",
        "remove it, or set it to constant",
    ),
    Rule(
        ("train.max_grad_norm", "train.techniques"),
        lambda recipe: (
            "step_per_layer" in recipe.train.techniques
            and "max_grad_norm" in recipe.train.model_fields_set
            and recipe.train.max_grad_norm is not None
        ),
        "a limit on the gradient's norm with step_per_layer, which steps before the norm is known",
        "null with step_per_layer",
        "remove it, or take step_per_layer out of train.techniques",
    ),
    Rule(
        ("train.techniques",),
        lambda recipe: {"reuse_in_memory", "reuse_on_disk"} <= set(recipe.train.techniques),
        "reuse_in_memory and reuse_on_disk",
        "one of them",
        "remove one",
    ),
    Rule(
        ("train.techniques", "objective.neftune_alpha"),
        lambda recipe: _reuses(recipe) and getattr(recipe.objective, "neftune_alpha", 0) > 0,
        "reuse with objective.neftune_alpha, whose noise differs in every pass",
        "one of them",
        "remove one",
    ),
)
