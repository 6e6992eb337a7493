"""`sweep`: the keys that one run may try several values of, and the recipe of each combination.

What is tried trains on the same base and rows, so only keys that leave both alone may be named.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import cycle, islice, product
from pathlib import Path as FilePath
from typing import Any

from assay.config.check import Checked, check_tree
from assay.config.files import find_file_problems
from assay.config.override import expand_short_forms
from assay.config.recipe import Recipe
from assay.config.resolve import resolve
from assay.config.rules import find_conflicts
from assay.config.swept_keys import SHORT, SWEPT, find_key
from assay.config.tree import Node, Path
from assay.config.wording import build_problem, show_value, suggest, to_path
from assay.errors import Problem

MAX_CANDIDATES = 64
EXAMPLE = "sweep.learning_rate=[1e-4, 2e-4, 5e-4, 1e-3]"


@dataclass(frozen=True)
class Candidate:
    """One combination: its name, its `setting` by the keys as written, and its whole recipe.

    The recipe is resolved and has no sweep: by itself it is the run of this candidate alone.
    """

    name: str
    setting: dict[str, Any]
    recipe: Recipe

    @property
    def label(self) -> str:
        """The setting in words, as in ``learning_rate 0.001, rank 8``."""
        return ", ".join(f"{key} {_show(value)}" for key, value in self.setting.items())


def expand_sweep(recipe: Recipe) -> list[Candidate]:
    """Every combination of a resolved recipe's sweep, the last key's values changing fastest."""
    plain = recipe.model_dump() | {"sweep": {}}
    candidates = []
    for number, values in enumerate(product(*recipe.sweep.values()), start=1):
        setting = dict(zip(recipe.sweep, values, strict=True))
        own = copy.deepcopy(plain)
        for key, value in setting.items():
            *above, last = find_key(key).split(".")
            block = own
            for part in above:
                block = block[part]
            block[last] = value
        resolved, _ = resolve(Recipe.model_validate(own), path=FilePath())
        candidates.append(Candidate(f"c{number}", setting, resolved))
    return candidates


def find_sweep_problems(checked: Checked, root: Node, *, base_dir: FilePath) -> Iterator[Problem]:
    """What is wrong with a recipe's sweep, each value located where it was written.

    Files that a method names are looked for from `base_dir`.
    """
    sweep = checked.recipe.sweep
    if not sweep or checked.is_wrong(("sweep",)):
        return
    yield from _find_wrong_keys(sweep, root)
    yield from _find_wrong_lists(sweep, root)
    yield from _find_misfits(checked, root)
    yield from _find_wrong_candidates(checked, root, base_dir)


def _find_wrong_keys(sweep: Mapping[str, list[Any]], root: Node) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in sweep:
        key = find_key(name)
        if key not in SWEPT:
            do = suggest(name.rsplit(".", 1)[-1], [*SHORT, *SWEPT]) or "remove it"
            yield build_problem(
                root,
                ("sweep", name),
                got=f"{name!r}, which cannot be swept",
                allowed=f"keys that leave base and rows alone: {', '.join(SHORT)}",
                do=do,
                at_key=True,
            )
        elif key in seen:
            got = f"{name!r}, the same key as {seen[key]!r}"
            allowed, do = "each key once", "remove one of the two"
            path: Path = ("sweep", name)
            yield build_problem(root, path, got=got, allowed=allowed, do=do, at_key=True)
        seen.setdefault(key, name)


def _find_wrong_lists(sweep: Mapping[str, list[Any]], root: Node) -> Iterator[Problem]:
    number = 1
    for name, values in sweep.items():
        number *= max(1, len(values))
        path: Path = ("sweep", name)
        if not values:
            do = f"write for example {EXAMPLE}"
            yield build_problem(root, path, got="an empty list", allowed="one value or more", do=do)
        for index, value in enumerate(values):
            if value in values[:index]:
                got = f"{show_value(value)} a second time"
                where: Path = (*path, index)
                allowed, do = "each value once", "remove one"
                yield build_problem(root, where, got=got, allowed=allowed, do=do)
    if number > MAX_CANDIDATES:
        sizes = " x ".join(str(len(values)) for values in sweep.values())
        yield build_problem(
            root,
            ("sweep",),
            got=f"{number} candidates ({sizes})",
            allowed=f"at most {MAX_CANDIDATES}, whose adapters are in memory at once",
            do="try fewer values, or one key after the other",
            at_key=True,
        )


def _find_misfits(checked: Checked, root: Node) -> Iterator[Problem]:
    """Settings of the recipe that no sweep goes with."""
    recipe = checked.recipe
    method, data = recipe.method, recipe.data
    misfits = (
        (
            "method",
            method.trains_base,
            f"a sweep with method {method.type}, which trains weights of the base",
            "adapters, which share one frozen base",
            "choose lora, or train one value after another with `assay run`",
        ),
        (
            "data.validation_ratio",
            data.validation is None and data.validation_ratio == 0,
            "a sweep without validation rows",
            "rows to choose on: the test rows confirm what was chosen",
            "give data.validation, or a data.validation_ratio above 0",
        ),
    )
    for key, is_broken, got, allowed, do in misfits:
        path = to_path(key)
        if is_broken and not checked.is_wrong(path):
            yield build_problem(root, path, got=got, allowed=allowed, do=do)


def _find_wrong_candidates(checked: Checked, root: Node, base_dir: FilePath) -> Iterator[Problem]:
    """What each combination adds to the problems of the recipe by itself, each said once."""
    plain = {name: node for name, node in root.value.items() if name != "sweep"}
    alone = replace(root, value=plain)
    known = {*checked.problems, *_find_problems(checked, alone, base_dir)}
    for combination in _list_combinations(root.value["sweep"].value):
        own = copy.deepcopy(alone)
        for key, value in combination.items():
            _put(own, key.split("."), value)
        expand_short_forms(own)
        candidate = check_tree(own)
        found = [*candidate.problems, *_find_problems(candidate, own, base_dir)]
        for problem in found:
            if problem not in known:
                known.add(problem)
                yield problem


def _find_problems(checked: Checked, root: Node, base_dir: FilePath) -> list[Problem]:
    return [
        *find_conflicts(checked, root),
        *find_file_problems(checked, root, base_dir=base_dir),
    ]


def _list_combinations(swept: Mapping[str, Node]) -> Iterator[dict[str, Node]]:
    """The values of each candidate by dotted key; beyond the limit each value once."""
    known = {find_key(name): node.value for name, node in swept.items()}
    lists = {key: values for key, values in known.items() if key in SWEPT and values}
    if math.prod(map(len, lists.values())) <= MAX_CANDIDATES:
        chosen: Iterable[tuple[Node, ...]] = product(*lists.values())
    else:
        longest = max(map(len, lists.values()))
        chosen = zip(*(islice(cycle(values), longest) for values in lists.values()), strict=True)
    for values in chosen:
        yield dict(zip(lists, values, strict=True))


def _put(root: Node, parts: list[str], value: Node) -> None:
    """Set a key in the tree; blocks that are not there are made at the value's place."""
    node = root
    for part in parts[:-1]:
        child = node.value.get(part)
        if child is None or not isinstance(child.value, dict):
            node.value[part] = Node({}, value.place, value.place)
        node = node.value[part]
    node.value[parts[-1]] = replace(value, key_place=value.place)


def _show(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(map(_show, value)) or "none"
    if isinstance(value, float):
        return f"{value:.10g}"
    return value if isinstance(value, str) else json.dumps(value)
