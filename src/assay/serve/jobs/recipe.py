"""A job's recipe, written into a folder of its own: what `assay run` would be given.

The folder holds the training files under names of ours (the same bytes, by link where the disk
can), the recipe, and the policy where there are too few rows for the usual one.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.config import Loaded
from assay.errors import ConfigError, Problem
from assay.graders import store_spec
from assay.pipeline.check import load_checked
from assay.pipeline.graders import check_grader
from assay.runs import write_json
from assay.serve.bases import Bases
from assay.serve.jobs.extensions import read_blocks, settle_grader
from assay.serve.jobs.fields import (
    AUTO,
    CreateJob,
    Hyperparameters,
    Method,
    ReinforcementHyperparameters,
)

FEW_ITEMS = 30
"""Below so many held-out rows a gate of theirs tells and does not hold: OpenAI takes 10 rows."""
HELD_OUT = 0.1
"""The share of rows that a recipe holds out for validation, and again for the test."""
GRADER = "method.reinforcement.grader"
_OBJECTIVES = {"supervised": "sft", "dpo": "dpo", "reinforcement": "grpo"}
_GROUP_SIZE = 8


@dataclass(frozen=True)
class Inputs:
    """What a request names, found: the local base, the files' bytes and rows, and of a tuned model
    to go on from its adapter and name."""

    base: str
    training: Path
    num_rows: int
    validation: Path | None = None
    num_validation: int = 0
    start_from: Path | None = None
    parent: str | None = None


@dataclass(frozen=True)
class Written:
    """A recipe that is ready to run, and the numbers that ``auto`` became."""

    loaded: Loaded
    hyperparameters: dict[str, Any]


def write_recipe(
    folder: Path, asked: CreateJob, inputs: Inputs, *, seed: int, bases: Bases
) -> Written:
    """Fill `folder` with what a run needs, and check all of it but the rows.

    Raises:
        ConfigError: every problem, by the key of the request.
    """
    folder.mkdir(parents=True)
    _link(inputs.training, folder / "train.jsonl")
    if inputs.validation is not None:
        _link(inputs.validation, folder / "validation.jsonl")
    problems: list[Problem] = []
    tree = _build(folder, asked, inputs, seed=seed, bases=bases, problems=problems)
    if problems:
        raise ConfigError(problems)
    loaded = _load(folder, tree)
    multiplier = _hyperparameters(asked).learning_rate_multiplier
    if multiplier not in (AUTO, 1.0):
        tree["train"]["learning_rate"] = (loaded.recipe.train.learning_rate or 0.0) * multiplier
        loaded = _load(folder, tree)
    return Written(loaded, _resolve(asked, loaded, inputs))


def _build(
    folder: Path,
    asked: CreateJob,
    inputs: Inputs,
    *,
    seed: int,
    bases: Bases,
    problems: list[Problem],
) -> dict[str, Any]:
    blocks = read_blocks(asked.x_assay, problems)
    data: dict[str, Any] = {**blocks.pop("data", {}), "train": "train.jsonl"}
    if inputs.validation is not None:
        data["validation"] = "validation.jsonl"
    tree: dict[str, Any] = {
        "base": inputs.base,
        "data": data,
        "method": blocks.pop("method", {}),
        "objective": _build_objective(asked, blocks.pop("objective", {}), bases, problems),
        "train": {
            "checkpoints": {"keep": 3},
            **_build_train(asked),
            **blocks.pop("train", {}),
        },
        "name": "job",
        "output": str(folder / "runs"),
        "seed": seed,
        **blocks,
    }
    if inputs.start_from is not None:
        tree["method"]["start_from"] = str(inputs.start_from)
    if not tree["method"]:
        del tree["method"]
    if "gates" not in blocks:
        tree["gates"] = _choose_policy(folder, data, inputs)
    if asked.integrations:
        tree["trackers"] = ["wandb"]
    return tree


def _build_train(asked: CreateJob) -> dict[str, Any]:
    given, train = _hyperparameters(asked), dict[str, Any]()
    if given.n_epochs != AUTO:
        train["epochs"] = given.n_epochs
    if given.batch_size != AUTO:
        train["batch_size"] = given.batch_size
    if isinstance(given, ReinforcementHyperparameters) and given.eval_interval != AUTO:
        train["eval_every_steps"] = given.eval_interval
    return train


def _build_objective(
    asked: CreateJob, extra: dict[str, Any], bases: Bases, problems: list[Problem]
) -> dict[str, Any]:
    objective = {"type": _OBJECTIVES[asked.kind], **extra}
    method = asked.method
    if method is None or asked.kind == "supervised":
        return objective
    if method.dpo is not None and method.dpo.hyperparameters.beta != AUTO:
        objective["beta"] = method.dpo.hyperparameters.beta
    if method.reinforcement is not None:
        objective |= _build_rollouts(method, bases, problems)
    return objective


def _build_rollouts(method: Method, bases: Bases, problems: list[Problem]) -> dict[str, Any]:
    block = method.reinforcement
    assert block is not None
    given = block.hyperparameters
    built: dict[str, Any] = {
        "grader": settle_grader(store_spec(block.grader), bases, problems, place=GRADER)
    }
    if given.compute_multiplier != AUTO:
        built["group_size"] = max(2, round(_GROUP_SIZE * given.compute_multiplier))
    if given.eval_samples != AUTO:
        built["validation_samples"] = given.eval_samples
    if given.reasoning_effort != "default":
        place = "method.reinforcement.hyperparameters.reasoning_effort"
        do = "leave it out: local bases have no such setting"
        problems.append(Problem(given.reasoning_effort, "default", do, key=place))
    return built


def _choose_policy(folder: Path, data: Mapping[str, Any], inputs: Inputs) -> str:
    """`standard`, or a file that extends it where too few rows are held out for its gates."""
    ratios = [data.get(name, HELD_OUT) for name in ("test_ratio", "validation_ratio")]
    test, held = (
        ratio * inputs.num_rows if isinstance(ratio, int | float) else 0.0 for ratio in ratios
    )
    validation = inputs.num_validation if inputs.validation is not None else held
    gates = {}
    if test < FEW_ITEMS:
        gates["task_gain"] = "advisory"
    if validation < FEW_ITEMS:
        gates["overfit"] = "advisory"
    if not gates:
        return "standard"
    # JSON is YAML, too.
    write_json(folder / "small.yaml", {"extends": "standard", "gates": gates})
    return "small.yaml"


def _load(folder: Path, tree: dict[str, Any]) -> Loaded:
    """The recipe of `tree`, checked; its problems by the keys of the request."""
    write_json(folder / "recipe.yaml", tree)
    try:
        loaded = load_checked(folder / "recipe.yaml")
        check_grader(loaded)
    except ConfigError as error:
        raise ConfigError([_to_request(one) for one in error.problems]) from error
    return loaded


def _to_request(problem: Problem) -> Problem:
    """A problem of a recipe's key as one of the request's; places on this machine are left out."""
    key = problem.key
    for ours, theirs in (
        ("objective.grader", GRADER),
        ("objective.beta", "method.dpo.hyperparameters.beta"),
        ("train.epochs", "hyperparameters.n_epochs"),
        ("train.batch_size", "hyperparameters.batch_size"),
        ("base", "model"),
    ):
        if key == ours or key.startswith(f"{ours}."):
            key = theirs + key.removeprefix(ours)
            break
    else:
        key = f"x_assay.{key}" if key else ""
    return Problem(problem.got, problem.allowed, problem.do, key=key)


def _hyperparameters(asked: CreateJob) -> Hyperparameters:
    if asked.method is not None:
        return asked.method.hyperparameters
    return asked.hyperparameters or Hyperparameters()


def _resolve(asked: CreateJob, loaded: Loaded, inputs: Inputs) -> dict[str, Any]:
    """The hyperparameters with numbers in place of ``auto``."""
    recipe, given = loaded.recipe, _hyperparameters(asked).model_dump()
    known: dict[str, Any] = {
        "n_epochs": _count_epochs(loaded, inputs),
        "batch_size": recipe.train.batch_size,
        "learning_rate_multiplier": 1.0,
        "beta": getattr(recipe.objective, "beta", None),
        "compute_multiplier": 1.0,
        "eval_interval": recipe.train.eval_every_steps,
        "eval_samples": getattr(recipe.objective, "validation_samples", None),
    }
    return {
        name: value if value != AUTO else (AUTO if known.get(name) is None else known[name])
        for name, value in given.items()
    }


def _count_epochs(loaded: Loaded, inputs: Inputs) -> int | None:
    """Epochs of a recipe; where it bounds steps instead, as many as its steps begin."""
    train, data = loaded.recipe.train, loaded.recipe.data
    if train.epochs:
        return max(1, round(train.epochs))
    if not train.max_steps or not train.batch_size:
        return None
    held = 0.0 if inputs.validation is not None else data.validation_ratio
    num_rows = max(1, round(inputs.num_rows * (1 - held - data.test_ratio)))
    return math.ceil(train.max_steps * train.batch_size / num_rows)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
