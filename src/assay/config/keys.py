"""The map of all keys: which exist, for which method and objective, and what each allows.

Read from the schema itself, so that messages, `explain` and the key list cannot drift from it.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from assay.config.recipe import Recipe
from assay.config.sections.method import METHODS
from assay.config.sections.objective import OBJECTIVES
from assay.config.setting import Section, get_note
from assay.config.shorthand import BLOCK_KEY
from assay.config.tree import Path

VARIANTS: dict[str, dict[str, type[Section]]] = {"method": METHODS, "objective": OBJECTIVES}
"""The sections whose keys depend on their `type`; the first type is the default."""

COUNTED_ONCE = frozenset(
    {"defend", "gates.thresholds", "objective", "objective.engine", "train.checkpoints"}
)
"""Blocks that are maps of named numbers, and so one key of a recipe."""


@dataclass(frozen=True)
class Key:
    """One key of the schema: its dotted name (list entries as `*`) and its field.

    `variant` is the type for which it exists, empty where it always does.
    """

    name: str
    field: FieldInfo
    variant: str = ""

    @property
    def section(self) -> type[Section] | None:
        """The block that stands here, if it is no leaf and no choice of blocks."""
        sections = find_sections(self.field.annotation)
        return sections[0] if len(sections) == 1 else None

    @property
    def allowed(self) -> str:
        """What the key allows, in words: type, choices and range."""
        stated = get_note(self.field, "allowed")
        words = stated or _describe(self.field.annotation, list(self.field.metadata))
        return f"text, or {words}" if self.name in BLOCK_KEY and self.section else words


def walk_keys(section: type[Section] = Recipe, *, prefix: str = "") -> Iterator[Key]:
    """Every key of `section`, depth first, in the order of the schema; blocks before their keys."""
    for name, field in section.model_fields.items():
        dotted = f"{prefix}{name}"
        yield Key(dotted, field)
        inner = f"{dotted}.*." if is_list(field.annotation) else f"{dotted}."
        for variant, child in VARIANTS.get(dotted, {}).items():
            for key in walk_keys(child, prefix=inner):
                yield Key(key.name, key.field, variant)
        if dotted not in VARIANTS:
            for child in find_sections(field.annotation):
                yield from walk_keys(child, prefix=inner)


def leaf_keys(method: str = "lora", objective: str = "sft") -> list[str]:
    """The keys that apply to one method and objective; a map or a list of blocks counts once."""
    chosen = {"method": method, "objective": objective}
    names = []
    for key in walk_keys():
        applies = not key.variant or key.variant == chosen[key.name.split(".", 1)[0]]
        is_block = bool(find_sections(key.field.annotation)) and not is_list(key.field.annotation)
        is_whole = not is_block or key.name in COUNTED_ONCE
        inside = ".*." in key.name or key.name.rpartition(".")[0] in COUNTED_ONCE
        if applies and is_whole and not inside:
            names.append(key.name)
    return names


def find_keys(path: Path) -> list[Key]:
    """The keys of the schema at `path` (one for each variant that has it); indices are free."""
    pattern = to_pattern(path)
    return [key for key in walk_keys() if key.name == pattern]


def to_pattern(path: Path) -> str:
    """The dotted name of a key, with `*` for every index."""
    return ".".join("*" if isinstance(part, int) else part for part in path)


def find_sections(annotation: Any) -> list[type[Section]]:
    """The blocks that may stand at a key of this annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    found: list[type[Section]] = []
    if get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            found += [section for section in find_sections(part) if section not in found]
    return found


def is_list(annotation: Any) -> bool:
    """Whether the key takes a list (possibly or null)."""
    annotation = _strip(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return any(is_list(part) for part in get_args(annotation))
    return get_origin(annotation) is list


def list_choices(annotation: Any) -> list[str]:
    """Every literal value somewhere in an annotation."""
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in list_choices(part)]


def _strip(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _describe(annotation: Any, limits: list[Any]) -> str:
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        limits = limits + _flatten(more)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(str(part) for part in parts)
    if origin in (Union, types.UnionType):
        blocks = find_sections(annotation)
        if len(blocks) > 1:
            kinds = [kind for block in blocks for kind in _types_of(block)]
            return f"{', '.join(kinds)}, or a block with that type"
        return " or ".join(_describe(part, limits) for part in parts)
    if origin is list:
        return _describe_list(parts[0], limits)
    if origin is dict:
        return "a map of names to names"
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return f"a block with {', '.join(annotation.model_fields)}"
    return _describe_scalar(annotation, limits)


def _describe_list(item: Any, limits: list[Any]) -> str:
    low, high = _limit(limits, "min_length"), _limit(limits, "max_length")
    number = "a list" if low is None else f"a list of {low}" if low == high else "a non-empty list"
    choices = list_choices(item)
    if choices:
        return f"{number} of {', '.join(choices)}"
    if find_sections(item):
        return f"a path, a block, or {number} of them"
    return f"{number}: each {_describe(item, [])}"


def _describe_scalar(annotation: Any, limits: list[Any]) -> str:
    if annotation is type(None):
        return "null"
    if annotation is bool:
        return "true or false"
    if annotation is str:
        return "letters, digits, `.`, `_`, `-`" if _limit(limits, "pattern") else "text"
    noun = "a whole number" if annotation is int else "a number"
    low, above = _limit(limits, "ge"), _limit(limits, "gt")
    high, below = _limit(limits, "le"), _limit(limits, "lt")
    if low is not None and high is None and below is None:
        return f"{noun} of at least {low}"
    start = f"from {low}" if low is not None else f"above {above}" if above is not None else ""
    joint = "and" if above is not None else "to"
    end = f"at most {high}" if above is not None else str(high)
    if high is None:
        end = f"below {below}" if below is not None else ""
    return " ".join(filter(None, [noun, start, joint if start and end else "", end]))


def _limit(limits: list[Any], name: str) -> Any:
    found = [getattr(limit, name) for limit in limits if getattr(limit, name, None) is not None]
    return found[0] if found else None


def _flatten(metadata: list[Any]) -> list[Any]:
    return [
        limit
        for entry in metadata
        for limit in (entry.metadata if isinstance(entry, FieldInfo) else [entry])
    ]


def _types_of(section: type[Section]) -> list[str]:
    return list_choices(section.model_fields["type"].annotation)
