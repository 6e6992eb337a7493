"""Reads a recipe: file and overrides in, a checked and resolved recipe or every problem out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from assay.config.check import Checked, check_tree
from assay.config.files import find_file_problems
from assay.config.override import apply_overrides, expand_short_forms
from assay.config.recipe import Recipe
from assay.config.resolve import resolve
from assay.config.rules import find_conflicts
from assay.config.sweep import find_sweep_problems
from assay.config.tree import Node, parse_yaml, to_plain
from assay.config.wording import locate_problem, show_value
from assay.errors import ConfigError, Problem

RECIPE_NAME = "recipe.yaml"

FindMore = Callable[[Checked, Node, Path], Iterable[Problem]]
"""Further checks of a recipe as far as it is valid, of its tree, from the recipe's folder."""


@dataclass(frozen=True)
class Loaded:
    """A recipe that is ready to run.

    `recipe` is resolved: every default is written out. `path` is the file read; relative paths
    inside the recipe start at `base_dir`. `reasons` has the reason of every key that the user did
    not set, by dotted key (list entries by index). `root` knows where each value was written.
    """

    recipe: Recipe
    path: Path
    base_dir: Path
    reasons: dict[str, str]
    root: Node = field(repr=False, compare=False)

    def locate(self, problem: Problem) -> Problem:
        """A problem of a dotted key that shows only later, placed where the key was written."""
        return locate_problem(self.root, problem)


def load(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    base_dir: str | Path | None = None,
    find_more: FindMore | None = None,
) -> Loaded:
    """Read the recipe at `path` (a file, or a folder that holds recipe.yaml).

    Args:
        overrides: `key.path=value`, applied in order; values are YAML.
        base_dir: where relative paths start; the recipe's folder unless given (a resolved recipe
            in a run folder still names files beside the original).
        find_more: checks that this unit cannot make; what they find comes out with all else.

    Raises:
        ConfigError: with every problem of the file and the overrides, each located.
    """
    path = Path(path)
    if path.is_dir():
        path = path / RECIPE_NAME
    base_dir = path.parent if base_dir is None else Path(base_dir)
    root, problems = parse_yaml(_read(path), file=str(path))
    if not isinstance(root.value, dict):
        problems.append(_describe_root(root))
        root = replace(root, value={})
    nothing_to_check = not root.value and bool(problems)
    expand_short_forms(root)
    problems += apply_overrides(root, overrides)
    if nothing_to_check:
        raise ConfigError(problems)
    checked = check_tree(root)
    problems += checked.problems
    problems += find_conflicts(checked, root)
    problems += find_sweep_problems(checked, root, base_dir=base_dir)
    problems += find_file_problems(checked, root, base_dir=base_dir)
    problems += find_more(checked, root, base_dir) if find_more else []
    if problems:
        raise ConfigError(sorted(problems, key=lambda one: _order(one, path)))
    recipe, reasons = resolve(checked.recipe, path=path, base_dir=base_dir)
    return Loaded(recipe, path, base_dir, reasons, root)


def _describe_root(root: Node) -> Problem:
    return Problem(
        got=show_value(to_plain(root)),
        allowed="keys and values",
        do="write for example `base: tiny`",
        file=root.place.file,
        line=root.place.line,
        column=root.place.column,
    )


def _order(problem: Problem, path: Path) -> tuple[bool, bool, int, int]:
    """By line, the recipe before the files that it names; overrides last."""
    named = problem.file != str(path)
    return problem.line is None, named, problem.line or 0, problem.column or 0


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        problem = Problem(
            got=f"a recipe that cannot be read ({error.strerror})",
            allowed=f"a YAML file, or a folder with {RECIPE_NAME}",
            do="check the path, or start one with `assay init DIR`",
            file=str(path),
        )
        raise ConfigError(problem) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        problem = Problem(
            got=f"the byte 0x{content[error.start]:02x}, which is not UTF-8",
            allowed="UTF-8 text",
            do="save the file as UTF-8",
            file=str(path),
            line=before.count(b"\n") + 1,
            column=error.start - before.rfind(b"\n"),
        )
        raise ConfigError(problem) from error
