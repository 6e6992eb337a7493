"""`key.path=value` from the command line, put into the tree; it checks no value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.config.shorthand import BLOCK_KEY, LIST_KEYS
from assay.config.tree import Node, Place, copy_at, parse_yaml
from assay.errors import Problem


def apply_overrides(root: Node, overrides: Sequence[str]) -> list[Problem]:
    """Set each override in `root` (whose short forms are already written out), in order.

    A value is YAML; a list is addressed by index, and the index after its last adds an entry. All
    that follows `sweep.` is one key, whose name is that of another.
    Returns the overrides that could not be applied.
    """
    problems = []
    for override in overrides:
        problem = _apply(root, override)
        if problem:
            problems.append(problem)
        expand_short_forms(root)
    return problems


def expand_short_forms(node: Node, *, place: str = "") -> None:
    """Write out every short form below `node`, in place; written values keep their line."""
    if place in LIST_KEYS and isinstance(node.value, (str, dict)):
        node.value = [Node(node.value, node.place, node.key_place, short=True)]
    if place in BLOCK_KEY and isinstance(node.value, str):
        inner = Node(node.value, node.place, node.key_place, short=True)
        node.value = {BLOCK_KEY[place]: inner}
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            expand_short_forms(child, place=f"{place}.{key}" if place else key)
    elif isinstance(node.value, list):
        for child in node.value:
            expand_short_forms(child, place=f"{place}.*")


def _apply(root: Node, override: str) -> Problem | None:
    place = Place(f"override {override}")
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if parts[0] == "sweep" and all(parts[1:]):
        parts = ["sweep", ".".join(parts[1:])][: len(parts)]
    if not equals or not all(parts):
        return Problem(
            f"{override!r}", "key.path=value", "write for example train.epochs=2", file="override"
        )
    if text.lstrip().startswith("#"):
        return Problem("a YAML comment", "one YAML value", "put text in quotes", file=place.file)
    value, problems = parse_yaml(f"- {text}" if text.strip() else "- null", file="override")
    if problems or not isinstance(value.value, list) or len(value.value) != 1:
        got = problems[0].got if problems else "more than one value"
        return Problem(got, "one YAML value", "put text in quotes", file=place.file)
    return _set(root, parts, copy_at(value.value[0], place))


def _set(root: Node, parts: list[str], value: Node) -> Problem | None:
    node = root
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        inner: Any = [] if ".".join(parts[: index + 1]) in LIST_KEYS else {}
        child = value if last else Node(inner, value.place, value.place)
        if isinstance(node.value, list):
            if not part.isdecimal() or int(part) > len(node.value):
                return _no_such_entry(node, ".".join(parts[:index]), part, value.place)
            position = int(part)
            if position == len(node.value):
                node.value.append(child)
            elif last:
                node.value[position] = child
            node = node.value[position]
            continue
        if not isinstance(node.value, dict):
            node.value = {}
        if last or part not in node.value or node.value[part].value is None:
            node.value[part] = child
        node = node.value[part]
    return None


def _no_such_entry(node: Node, key: str, part: str, place: Place) -> Problem:
    return Problem(
        got=f"entry {part!r}",
        allowed=f"0 to {len(node.value)}",
        do=f"count entries of {key} from 0; {len(node.value)} adds one",
        file=place.file,
    )
