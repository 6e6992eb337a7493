"""The combinations of an objective and other settings that cannot be meant."""

from __future__ import annotations

from assay.config.engine_rules import ENGINE_RULES
from assay.config.recipe import Recipe
from assay.config.rollout_rules import ROLLOUT_RULES
from assay.config.rule import Rule
from assay.config.sections.distil import DistilConfig
from assay.config.sections.pairs import DpoConfig

SMOOTHED = frozenset({"sigmoid", "sigmoid_norm", "robust", "exo", "aot", "aot_unpaired"})
NEEDS_SMOOTHING = frozenset({"robust", "exo"})
OF_MEANS = frozenset({"sigmoid_norm", "ipo"})


def _has_loss(recipe: Recipe, losses: frozenset[str]) -> bool:
    return isinstance(recipe.objective, DpoConfig) and recipe.objective.loss in losses


def _smooths(recipe: Recipe) -> bool:
    return float(getattr(recipe.objective, "label_smoothing", 0.0)) > 0


def _defends_answers(recipe: Recipe) -> bool:
    """Whether a defence is set that reads or steers what the model says."""
    defend = recipe.defend
    is_watched = defend.stops_on_drift or defend.watch_every_steps is not None
    return is_watched or bool(defend.steer) or defend.inoculation is not None


def _gives_scores(recipe: Recipe) -> bool:
    return recipe.objective.gives_scores


def _is_compared(recipe: Recipe) -> bool:
    return recipe.objective.learns_from != "answers"


def _has_no_teacher(recipe: Recipe) -> bool:
    objective = recipe.objective
    if not isinstance(objective, DistilConfig):
        return False
    is_base = objective.teacher in (None, recipe.base.name)
    return is_base and not (objective.teacher_adapter or objective.teacher_prompt)


OBJECTIVE_RULES = (
    Rule(
        ("objective.teacher", "objective.teacher_adapter", "objective.teacher_prompt"),
        _has_no_teacher,
        "the base as its own teacher, from which it has nothing to learn",
        "another model, the base with an adapter, or the base with a system prompt",
        "set objective.teacher, teacher_adapter or teacher_prompt",
    ),
    Rule(
        ("objective.sft_weight", "objective.on_policy"),
        lambda recipe: (
            isinstance(recipe.objective, DistilConfig)
            and recipe.objective.sft_weight > 0
            and recipe.objective.on_policy > 0
        ),
        "a weight of the rows' own answers where the model writes answers itself",
        "one of them",
        "remove one, or set it to 0",
    ),
    Rule(
        ("objective.max_new_tokens", "objective.on_policy"),
        lambda recipe: (
            isinstance(recipe.objective, DistilConfig)
            and not recipe.objective.on_policy
            and (recipe.objective.max_new_tokens, recipe.objective.sampling_temperature)
            != (128, 1.0)
        ),
        "how answers are written, where none is",
        "max_new_tokens and sampling_temperature with on_policy",
        "set objective.on_policy, or remove it",
    ),
    Rule(
        ("defend.token_betas", "objective.type"),
        lambda recipe: (
            isinstance(recipe.objective, DistilConfig) and bool(recipe.defend.token_betas)
        ),
        "token_betas, which holds the loss of answers near the base, with a teacher's divergence",
        "it with sft",
        "remove it: the teacher says how far each token moves",
    ),
    Rule(
        ("base.new_tokens", "objective.type"),
        lambda recipe: isinstance(recipe.objective, DistilConfig) and bool(recipe.base.new_tokens),
        "new tokens, of which a teacher knows nothing",
        "new tokens with sft",
        "remove them, or let the teacher teach by text: assay data distil",
    ),
    Rule(
        ("objective.label_smoothing", "objective.loss"),
        lambda recipe: (
            isinstance(recipe.objective, DpoConfig)
            and _smooths(recipe)
            and not _has_loss(recipe, SMOOTHED)
        ),
        "label smoothing with a loss that has none",
        f"it with {', '.join(sorted(SMOOTHED))}",
        "remove it, or set objective.loss to sigmoid or robust",
    ),
    Rule(
        ("objective.loss", "objective.label_smoothing"),
        lambda recipe: _has_loss(recipe, NEEDS_SMOOTHING) and not _smooths(recipe),
        "a loss for swapped pairs without their share",
        "robust and exo with objective.label_smoothing above 0",
        "set objective.label_smoothing, or objective.loss to sigmoid",
    ),
    Rule(
        ("objective.length_desensitisation", "objective.loss"),
        lambda recipe: (
            isinstance(recipe.objective, DpoConfig)
            and recipe.objective.length_desensitisation != 1
            and _has_loss(recipe, OF_MEANS)
        ),
        "length desensitisation with means over tokens, which no length favours",
        "it with losses of sums",
        "remove it, or set objective.loss to sigmoid",
    ),
    Rule(
        ("defend", "objective.type"),
        lambda recipe: (
            _is_compared(recipe)
            and (recipe.defend.reads_general_rows or bool(recipe.defend.token_betas))
        ),
        "replay, kl or token_betas with an objective of whole answers",
        "these with sft, whose rows are learned token by token",
        "remove it: the objective's reference (objective.beta) holds the model already, or"
        " objective.sft_weight",
    ),
    Rule(
        ("data.train", "objective.type"),
        lambda recipe: (
            _is_compared(recipe) and any(source.role == "anchor" for source in recipe.data.train)
        ),
        "role: anchor with an objective of whole answers",
        "role: anchor with sft",
        "remove the source, or its role",
    ),
    Rule(
        ("train.techniques", "objective.type"),
        lambda recipe: (
            _is_compared(recipe)
            and bool({"reuse_in_memory", "reuse_on_disk"} & set(recipe.train.techniques))
        ),
        "reuse with answers whose prompts are computed once for all",
        "reuse with sft",
        "remove it",
    ),
    Rule(
        ("evaluate.metric", "objective.type"),
        lambda recipe: _is_compared(recipe) and recipe.evaluate.metric != "auto",
        "a metric of written answers for rows that have another",
        "auto: whether wanted answers are likelier than others, or the reward of the grader",
        "remove it; a suite of your own (evaluate.suites) can judge written answers",
    ),
    Rule(
        ("method.type", "objective.type"),
        lambda recipe: _gives_scores(recipe) and recipe.method.type == "peft",
        "a method of PEFT's own with a reward model, whose head is trained beside it",
        "lora and its kin, qlora, freeze or full",
        "set method to lora",
    ),
    Rule(
        ("base.new_tokens", "objective.type"),
        lambda recipe: _gives_scores(recipe) and bool(recipe.base.new_tokens),
        "new tokens with a reward model, whose classifier has no rows for them",
        "new tokens with objectives of answers",
        "remove it, or tune the tokens first",
    ),
    Rule(
        ("defend", "objective.type"),
        lambda recipe: _gives_scores(recipe) and _defends_answers(recipe),
        "defences of what a model answers with a reward model, which gives no answers",
        "a reward model as it comes, or with defend.max_rank",
        "remove it",
    ),
    Rule(
        ("evaluate.suites", "objective.type"),
        lambda recipe: _gives_scores(recipe) and bool(recipe.evaluate.suites),
        "suites of questions for a reward model, which gives no answers",
        "held-out pairs alone, which data.test or data.test_ratio gives",
        "remove them, and put pairs into data.test",
    ),
    Rule(
        ("sweep", "objective.type"),
        lambda recipe: _gives_scores(recipe) and bool(recipe.sweep),
        "a sweep of reward models, whose heads are trained beside the base",
        "one reward model a run",
        "remove it, and start a run for each setting",
    ),
    *ROLLOUT_RULES,
    *ENGINE_RULES,
)
