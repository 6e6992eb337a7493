"""The combinations of settings that cannot be meant; it opens no file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from assay.config.check import Checked
from assay.config.defend_rules import DEFEND_RULES
from assay.config.method_rules import METHOD_RULES
from assay.config.objective_rules import OBJECTIVE_RULES
from assay.config.optimizers import find_wrong_settings
from assay.config.recipe import Recipe
from assay.config.rule import Rule
from assay.config.suite_rules import find_suite_conflicts
from assay.config.train_rules import TRAIN_RULES
from assay.config.tree import Node, Path
from assay.config.wording import build_problem, to_path
from assay.errors import Problem

RULES = (
    Rule(
        ("train.max_steps", "train.epochs"),
        lambda recipe: recipe.train.max_steps is not None and recipe.train.epochs is not None,
        "both train.max_steps and train.epochs",
        "one of them",
        "remove one, or set it to null",
    ),
    Rule(
        ("train.warmup_steps", "train.warmup_ratio"),
        lambda recipe: (
            recipe.train.warmup_steps is not None and recipe.train.warmup_ratio is not None
        ),
        "both train.warmup_steps and train.warmup_ratio",
        "one of them",
        "remove one, or set it to null",
    ),
    Rule(
        ("data.validation_ratio", "data.validation"),
        lambda recipe: (
            recipe.data.validation is not None
            and "validation_ratio" in recipe.data.model_fields_set
            and recipe.data.validation_ratio > 0
        ),
        "a share to hold out beside data.validation",
        "one of them",
        "remove data.validation_ratio",
    ),
    Rule(
        ("data.test_ratio", "data.test"),
        lambda recipe: (
            recipe.data.test is not None
            and "test_ratio" in recipe.data.model_fields_set
            and recipe.data.test_ratio > 0
        ),
        "a share to hold out beside data.test",
        "one of them",
        "remove data.test_ratio",
    ),
    Rule(
        ("data.validation_ratio", "data.test_ratio", "data.validation", "data.test"),
        lambda recipe: _compute_held_out(recipe) >= 1,
        "data.validation_ratio + data.test_ratio of 1 or more",
        "a sum below 1",
        "lower one: rows to learn from must remain",
    ),
    Rule(
        ("data.test_ratio", "data.test"),
        lambda recipe: recipe.data.test is None and recipe.data.test_ratio == 0,
        "no rows to test on: data.test_ratio of 0, and no data.test",
        "test rows, which every gate reads",
        "raise data.test_ratio, or name data.test",
    ),
    Rule(
        ("train.patience", "data.validation", "data.validation_ratio"),
        lambda recipe: recipe.train.patience is not None and not _has_validation(recipe),
        "train.patience without validation rows",
        "early stopping on a validation loss",
        "remove it, or give data.validation or a data.validation_ratio above 0",
    ),
    Rule(
        ("train.eval_every_steps", "data.validation", "data.validation_ratio"),
        lambda recipe: recipe.train.eval_every_steps is not None and not _has_validation(recipe),
        "train.eval_every_steps without validation rows",
        "measurements on validation rows",
        "remove it, or give data.validation or a data.validation_ratio above 0",
    ),
    Rule(
        ("train.techniques",),
        lambda recipe: (
            len(set(recipe.train.techniques)) < len(recipe.train.techniques)
            and recipe.train.techniques != "auto"
        ),
        "the same technique twice",
        "each technique once",
        "remove one",
    ),
    Rule(
        ("data.train", "method.type"),
        lambda recipe: recipe.method.trains_base and _has_role(recipe, "anchor"),
        "role: anchor with a method that changes the base",
        "role: anchor with adapters, whose base is at hand when they are off",
        "set method to lora, or the role to extra, which learns the rows' answers",
    ),
    Rule(
        ("data.train",),
        lambda recipe: all(source.role == "anchor" for source in recipe.data.train),
        "role: anchor for every source",
        "at least one source with answers to learn",
        "leave the role of the task's rows out",
    ),
    Rule(
        ("launch.processes", "train.batch_size"),
        lambda recipe: recipe.launch.processes > recipe.train.batch_size,
        "more processes than train.batch_size has sequences",
        "at most one process for each sequence of a step",
        "lower it, or raise train.batch_size",
    ),
    Rule(
        ("train.techniques", "launch.processes"),
        lambda recipe: recipe.launch.processes > 1 and "step_per_layer" in recipe.train.techniques,
        "step_per_layer on several processes, which sum their gradients before a weight moves",
        "step_per_layer on one process",
        "remove it: weights that are spread over processes need as little",
    ),
    Rule(
        ("launch.processes", "sweep"),
        lambda recipe: recipe.launch.processes > 1 and bool(recipe.sweep),
        "several processes with sweep",
        "one process, on which the candidates take turns",
        "set it to 1, or remove sweep",
    ),
    Rule(
        ("trackers",),
        lambda recipe: len(set(recipe.trackers)) < len(recipe.trackers),
        "the same tracker twice",
        "each tracker once",
        "remove one",
    ),
    Rule(
        ("evaluate.shots",),
        lambda recipe: len(set(recipe.evaluate.shots)) < len(recipe.evaluate.shots),
        "the same number twice",
        "each number once",
        "remove one",
    ),
)


def find_conflicts(checked: Checked, root: Node) -> Iterator[Problem]:
    """Every broken rule whose keys are each valid, located at its first key."""
    for rule in (*RULES, *METHOD_RULES, *OBJECTIVE_RULES, *TRAIN_RULES, *DEFEND_RULES):
        paths = [to_path(key) for key in rule.keys]
        if not any(map(checked.is_wrong, paths)) and rule.broken(checked.recipe):
            yield build_problem(root, paths[0], got=rule.got, allowed=rule.allowed, do=rule.do)
    yield from _find_name_conflicts(checked, root)
    yield from find_suite_conflicts(checked, root)
    yield from _find_held_out_settings(checked, root)
    yield from _find_optimizer_settings(checked, root)


def list_taken_names(base: str) -> list[str]:
    """The names that suites of a recipe on `base` cannot have: of the task, and of built-in ones.

    The embedded base alone has a built-in suite of general skills.
    """
    return ["task", "refusal", "over_refusal", *(["retention"] if base == "tiny" else [])]


def _find_name_conflicts(checked: Checked, root: Node) -> Iterator[Problem]:
    """Suites without a name of their own; letter case does not tell the files of answers apart."""
    taken = list_taken_names(checked.recipe.base.name)
    seen = set(taken)
    for index, suite in enumerate(checked.recipe.evaluate.suites):
        key = "path" if suite.name is None else "name"
        path: Path = ("evaluate", "suites", index, key)
        name = PurePath(suite.path).stem if suite.name is None else suite.name
        if checked.is_wrong(path) or suite.source != "rows":
            continue
        allowed = f"a name of its own, other than {', '.join(taken)}"
        do = "give the suite a `name`" if suite.name is None else "give it another name"
        if "/" in name or "\\" in name:
            got, allowed = f"{name!r}, which files cannot be named after", "a name without / and \\"
            yield build_problem(root, path, got=got, allowed=allowed, do=do)
        elif name.casefold() in seen:
            got = f"a second suite named {name!r}"
            yield build_problem(root, path, got=got, allowed=allowed, do=do)
        seen.add(name.casefold())


def _find_held_out_settings(checked: Checked, root: Node) -> Iterator[Problem]:
    """Settings of training rows on rows that are only held out, where they would be ignored."""
    for split in ("validation", "test"):
        for index, source in enumerate(getattr(checked.recipe.data, split) or []):
            given = {"weight": source.weight != 1, "role": source.role != "task"}
            for name in (name for name, is_given in given.items() if is_given):
                path: Path = ("data", split, index, name)
                if not checked.is_wrong(path):
                    got = f"{getattr(source, name)!r} for rows of data.{split}"
                    allowed = "this setting for rows of data.train alone"
                    yield build_problem(root, path, got=got, allowed=allowed, do="remove it")


def _find_optimizer_settings(checked: Checked, root: Node) -> Iterator[Problem]:
    """Settings that the optimizer does not have, or that are out of range."""
    train = checked.recipe.train
    for name, allowed in find_wrong_settings(train.optimizer, train.optimizer_settings):
        path: Path = ("train", "optimizer_settings", name)
        if not checked.is_wrong(path):
            got = f"{name}: {train.optimizer_settings[name]}"
            yield build_problem(root, path, got=got, allowed=allowed, do="change or remove it")


def _has_role(recipe: Recipe, role: str) -> bool:
    return any(source.role == role for source in recipe.data.train)


def _has_validation(recipe: Recipe) -> bool:
    return recipe.data.validation is not None or recipe.data.validation_ratio > 0


def _compute_held_out(recipe: Recipe) -> float:
    data = recipe.data
    validation = data.validation_ratio if data.validation is None else 0.0
    return validation + (data.test_ratio if data.test is None else 0.0)
