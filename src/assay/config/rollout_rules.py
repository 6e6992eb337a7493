"""The combinations that cannot be meant where the model's own completions are graded."""

from __future__ import annotations

from assay.config.recipe import Recipe
from assay.config.rule import Rule
from assay.config.sections.reinforcement import PpoConfig, RejectionConfig
from assay.config.sections.rollouts import PolicySection, RolloutSection


def _samples(recipe: Recipe) -> bool:
    return isinstance(recipe.objective, RolloutSection)


def _is_in_loss(recipe: Recipe, estimator: str) -> bool:
    objective = recipe.objective
    return (
        isinstance(objective, PolicySection)
        and objective.beta > 0
        and objective.kl_in == "loss"
        and objective.kl_estimator == estimator
    )


ROLLOUT_RULES = (
    Rule(
        ("objective.max_new_tokens", "data.max_seq_len"),
        lambda recipe: (
            recipe.data.max_seq_len is not None
            and recipe.objective.max_completion_tokens >= recipe.data.max_seq_len
        ),
        "completions that leave no room for a prompt within data.max_seq_len",
        "fewer than data.max_seq_len",
        "lower it, or raise data.max_seq_len",
    ),
    Rule(
        ("objective.kl_estimator", "objective.kl_in"),
        lambda recipe: _is_in_loss(recipe, "k1"),
        "k1 in the loss, whose gradient is 0 in the mean",
        "k2 or k3 in the loss; any estimate in the reward",
        "set objective.kl_estimator to k3, or objective.kl_in to reward",
    ),
    Rule(
        ("objective.kl_target", "objective.beta", "objective.kl_in"),
        lambda recipe: (
            isinstance(recipe.objective, PpoConfig)
            and recipe.objective.kl_target is not None
            and (recipe.objective.beta == 0 or recipe.objective.kl_in != "reward")
        ),
        "a target of the divergence without a weight in the reward that is led to it",
        "kl_target with beta above 0 and kl_in: reward",
        "set objective.beta and objective.kl_in, or remove it",
    ),
    Rule(
        ("objective.overlong_margin", "objective.max_new_tokens"),
        lambda recipe: (
            isinstance(recipe.objective, RolloutSection)
            and recipe.objective.overlong_margin > recipe.objective.max_new_tokens
        ),
        "a margin that is longer than a completion may be",
        "at most objective.max_new_tokens",
        "lower it",
    ),
    Rule(
        ("objective.max_turns", "objective.environment"),
        lambda recipe: (
            isinstance(recipe.objective, RolloutSection)
            and recipe.objective.environment is None
            and recipe.objective.max_turns != 4
        ),
        "turns without an environment to take them in",
        "max_turns with objective.environment",
        "set objective.environment, or remove it",
    ),
    Rule(
        ("objective.overlong_margin", "objective.environment"),
        lambda recipe: (
            isinstance(recipe.objective, RolloutSection)
            and recipe.objective.environment is not None
            and recipe.objective.overlong_margin > 0
        ),
        "a margin of one completion's length for episodes of several turns",
        "it without an environment",
        "remove it; a grader of type length in a multi can say what length is worth",
    ),
    Rule(
        ("objective.keep_best", "objective.group_size"),
        lambda recipe: (
            isinstance(recipe.objective, RejectionConfig)
            and recipe.objective.keep_best > recipe.objective.group_size
        ),
        "more completions to keep than are sampled",
        "at most objective.group_size",
        "lower it, or sample more",
    ),
    Rule(
        ("evaluate.shots", "objective.type"),
        lambda recipe: (
            _samples(recipe)
            and "shots" in recipe.evaluate.model_fields_set
            and set(recipe.evaluate.shots) != {0}
        ),
        "examples in the prompt, where rows hold no answers",
        "[0]",
        "remove it; evaluate.prompt can say how to answer",
    ),
    Rule(
        ("objective.on_hacking", "defend.watch_every_steps"),
        lambda recipe: (
            isinstance(recipe.objective, RolloutSection)
            and recipe.objective.on_hacking == "stop"
            and recipe.defend.watch_every_steps is not None
            and not recipe.defend.stops_on_drift
        ),
        "a run that ends where its reward is gamed, beside drift that is only written down",
        "both watches stop, or hacking is warned of alone",
        "set defend.stop_on_drift, or objective.on_hacking to warn",
    ),
    Rule(
        ("sweep", "objective.type"),
        lambda recipe: _samples(recipe) and bool(recipe.sweep),
        "a sweep of objectives whose model writes what it learns from",
        "sweep with objectives of given rows",
        "remove it, and start one run for each setting",
    ),
    Rule(
        ("defend.inoculation", "objective.type"),
        lambda recipe: _samples(recipe) and recipe.defend.inoculation is not None,
        "inoculation, which is a system prompt of answers that are given",
        "inoculation with sft",
        "remove it",
    ),
)
