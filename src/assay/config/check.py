"""Finds every key that the schema refuses, and what is left of the recipe; it opens no file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from assay.config.keys import VARIANTS, to_pattern
from assay.config.recipe import Recipe
from assay.config.shorthand import BLOCK_KEY
from assay.config.tree import Node, Path, find_nodes, to_plain
from assay.config.wording import (
    describe_missing,
    describe_unknown,
    describe_value,
    find_nearest,
)
from assay.errors import Problem

_ENTRIES = {place: {"path": "."} for place in BLOCK_KEY if place.endswith(".*")}
_STAND_INS: dict[str, Any] = {
    "base": {"name": "tiny"},
    "base.name": "tiny",
    "data": {"train": [{"path": "."}]},
    "data.train": [{"path": "."}],
    "method.config": {"peft_type": "IA3"},
    "objective.grader": {"type": "length"},
    "objective.engine.url": "http://localhost/v1",
    "objective.engine.name": "tiny",
    "evaluate.suites.*.judge.name": "tiny",
    **_ENTRIES,
    **{f"{place}.path": "." for place in _ENTRIES},
}
"""Stand for required keys that are missing or wrong, so that all else can still be checked."""

_TYPES = [(section, "type") for section in VARIANTS]
"""A block whose type is wrong goes as a whole: its other keys belong to that type."""


@dataclass(frozen=True)
class Checked:
    """The recipe as far as it is valid, its problems, and every key that is wrong.

    Wrong keys have their default (or a stand-in) in `recipe`; later rules leave them alone.
    """

    recipe: Recipe
    problems: list[Problem]
    wrong: frozenset[Path]

    def is_wrong(self, path: Path) -> bool:
        """Whether the key at `path`, a block above it or a key below it was refused."""
        return any(bad[: len(path)] == path or path[: len(bad)] == bad for bad in self.wrong)


def check_tree(root: Node) -> Checked:
    """Check every key below `root`, whose short forms are written out."""
    plain = to_plain(root)
    try:
        return Checked(Recipe.model_validate(plain), [], frozenset())
    except ValidationError as error:
        errors = [(_settle(detail, root), detail["type"]) for detail in _list_details(error)]
    wrong = frozenset(path for path, _ in errors)
    for path in sorted(wrong, key=lambda path: (path in _TYPES, -len(path))):
        _remove(plain, path)
    return Checked(Recipe.model_validate(plain), _describe(errors, root), wrong)


def _list_details(error: ValidationError) -> list[ErrorDetails]:
    """Unknown keys first: one of them may be the required key that another error misses."""
    details = error.errors(include_url=False)
    return sorted(details, key=lambda detail: detail["type"] != "extra_forbidden")


def _describe(errors: list[tuple[Path, str]], root: Node) -> list[Problem]:
    """One problem a key, in the order of the file."""
    found: dict[Path, Problem] = {}
    meant: set[Path] = set()
    for path, kind in errors:
        is_meant = kind == "missing" and any(one[: len(path)] == path for one in meant)
        if path in found or is_meant:
            continue
        if kind == "extra_forbidden":
            nearest = find_nearest(path, root)
            meant.add(nearest)
            found[path] = describe_unknown(path, nearest, root)
        elif kind == "missing":
            found[path] = describe_missing(path, root)
        else:
            found[path] = describe_value(path, root)
    order = {path: index for index, path in enumerate(_walk_paths(root))}
    return [found[path] for path in sorted(found, key=lambda path: order.get(path, -1))]


def _settle(error: ErrorDetails, root: Node) -> Path:
    """The key that an error is about: its location without the labels of unions."""
    path = tuple(part for part, _ in find_nodes(root, error["loc"]))
    if error["type"] == "missing":
        path = (*path, error["loc"][-1])
    if error["type"] == "union_tag_invalid":
        path = (*path, "type")
    return path


def _remove(plain: Any, path: Path) -> None:
    """Take a wrong key out of `plain`; a required one is replaced by its stand-in."""
    stand_in = _STAND_INS.get(to_pattern(path))
    if path in _TYPES or (stand_in is None and isinstance(path[-1], int)):
        path = path[:-1]
    for part in path[:-1]:
        plain = plain[part]
    if stand_in is not None:
        plain[path[-1]] = stand_in
    else:
        plain.pop(path[-1], None)


def _walk_paths(node: Node, *, above: Path = ()) -> Iterator[Path]:
    children = node.value
    if isinstance(children, list):
        children = dict(enumerate(children))
    if isinstance(children, dict):
        for key, child in children.items():
            yield (*above, key)
            yield from _walk_paths(child, above=(*above, key))
