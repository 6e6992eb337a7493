"""A recipe with every check that needs neither data nor a model; all it says comes out at once.

It adds what `config` cannot know: the gates' policy, installed trackers, the grader's description,
the context of a base on disk, and whether runs can be written. `run` and `run --dry-run` say the
same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from assay.config import Loaded, Recipe, load
from assay.config.check import Checked
from assay.config.sections.rollouts import RolloutSection
from assay.config.sweep import EXAMPLE
from assay.config.swept_keys import SHORT
from assay.config.tree import Node
from assay.config.wording import locate_problem, to_path
from assay.errors import ConfigError, DataError, Problem
from assay.evaluate.gates import load_policy
from assay.pipeline.installed import find_missing_trackers


def load_checked(path: str | Path, overrides: Sequence[str] = ()) -> Loaded:
    """Read the recipe at `path` (see `assay.config.load`) for a new run.

    Raises:
        ConfigError: every problem of the recipe and of its policy file, each located.
    """
    return load(path, overrides, find_more=find_recipe_problems)


def refuse_sweep(loaded: Loaded) -> None:
    """Refuse a recipe that tries several values where one run was asked for.

    Raises:
        ConfigError: the recipe has a sweep.
    """
    if loaded.recipe.sweep:
        problem = Problem(
            key="sweep",
            got=f"a sweep over {', '.join(loaded.recipe.sweep)}",
            allowed="no sweep in a single run",
            do=f"use `assay sweep {loaded.path}`, or add `sweep={{}}` to run without it",
        )
        raise ConfigError(loaded.locate(problem))


def require_sweep(loaded: Loaded) -> None:
    """Refuse a recipe that has no values to try.

    Raises:
        ConfigError: the recipe has no sweep.
    """
    if not loaded.recipe.sweep:
        problem = Problem(
            key="sweep",
            got="nothing to try",
            allowed=f"keys with lists of values; keys: {', '.join(SHORT)}",
            do=f"add for example `{EXAMPLE}`",
        )
        raise ConfigError(loaded.locate(problem))


def find_recipe_problems(checked: Checked, root: Node, base_dir: Path) -> Iterator[Problem]:
    """What is wrong with the keys that are valid by themselves, located in the recipe."""
    recipe = checked.recipe
    found = [
        *find_missing_trackers(recipe.trackers),
        *_find_context_problems(recipe, base_dir),
        *_find_output_problems(recipe),
        *_find_rule_problems(recipe),
        *_find_grader_problems(recipe),
    ]
    for problem in found:
        if not checked.is_wrong(to_path(problem.key)):
            yield locate_problem(root, problem)
    if not checked.is_wrong(("gates", "policy")):
        yield from _find_policy_problems(recipe, base_dir)


def describe_context(max_seq_len: int, context_len: int) -> Problem:
    """The problem of a `data.max_seq_len` beyond the base's context, both in tokens."""
    return Problem(
        key="data.max_seq_len",
        got=str(max_seq_len),
        allowed=f"at most {context_len}, what the base's context holds",
        do="lower it, or remove it to have all of it",
    )


def describe_output(output: str, reason: str) -> Problem:
    """The problem of an `output` under which no run can be made, and why."""
    return Problem(
        key="output",
        got=f"{output!r}, where no run can be written ({reason})",
        allowed="a folder that can be made and written",
        do="name another folder",
    )


def _find_policy_problems(recipe: Recipe, base_dir: Path) -> list[Problem]:
    """Those of the policy file itself; that there is none, `config` has said."""
    try:
        load_policy(recipe.gates.policy, base_dir=base_dir)
    except ConfigError as error:
        return [problem for problem in error.problems if problem.key != "gates.policy"]
    return []


def _find_rule_problems(recipe: Recipe) -> list[Problem]:
    """Rules, options and values of `data.rules` and `data.accept` that there are none of."""
    if not recipe.data.rules and not recipe.data.accept:
        return []  # the rules' packages are loaded for those alone who name one
    from assay.data.curate import settle

    try:
        settle(recipe.data.rules, recipe.data.accept)
    except DataError as error:
        return error.problems
    return []


def _find_grader_problems(recipe: Recipe) -> list[Problem]:
    """Those of the description of the objective's grader; whether its models are there shows when
    they are looked for."""
    if not isinstance(recipe.objective, RolloutSection):
        return []
    from assay.pipeline.graders import find_description_problems

    return [
        problem
        for key, spec in recipe.objective.graders.items()
        for problem in find_description_problems(spec, place=f"objective.{key}")
    ]


def _find_context_problems(recipe: Recipe, base_dir: Path) -> list[Problem]:
    """A length beyond the context of a base on disk; that of a Hub model shows when it is there."""
    wanted = recipe.data.max_seq_len
    context_len = _read_context_len(recipe.base.name, base_dir) if wanted else None
    if wanted is None or context_len is None or wanted <= context_len:
        return []
    return [describe_context(wanted, context_len)]


def _read_context_len(base: str, base_dir: Path) -> int | None:
    """`max_position_embeddings` of a base on disk, in tokens; None where that is not known."""
    if base == "tiny":
        text = files("assay").joinpath("models/tiny/config.json").read_text(encoding="utf-8")
    else:
        try:
            path = base_dir / os.path.expanduser(base) / "config.json"
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
    try:
        config = json.loads(text)
        found = config.get("text_config", config).get("max_position_embeddings")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, int) else None


def _find_output_problems(recipe: Recipe) -> list[Problem]:
    """Whether the nearest folder that is there can be written; making it may still fail."""
    path = Path(recipe.output).absolute()
    there = next(one for one in (path, *path.parents) if os.path.lexists(one))
    if not there.is_dir():
        return [describe_output(recipe.output, f"{there.name} is a file")]
    if not os.access(there, os.W_OK | os.X_OK):
        return [describe_output(recipe.output, "you may not write there")]
    return []
