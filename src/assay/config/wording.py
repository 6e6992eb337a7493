"""Words for what is wrong with one key: what was got, what is allowed, what to do."""

from __future__ import annotations

import difflib
import json
from typing import Any

from assay.config.aliases import find_meant, get_difference, get_refusal
from assay.config.keys import VARIANTS, Key, find_keys, list_choices, to_pattern, walk_keys
from assay.config.setting import get_note
from assay.config.tree import Node, Path, Place, find_nodes, locate, to_plain
from assay.errors import Problem

_MOST_SHOWN = 60
"""Characters of a value that a message quotes."""


def build_problem(
    root: Node, path: Path, *, got: str, allowed: str, do: str, at_key: bool = False
) -> Problem:
    """A problem located where the key at `path` was written, in the file or an override."""
    place, name = locate(root, path, at_key=at_key)
    return Problem(
        got,
        allowed,
        do,
        file=place.file,
        line=place.line,
        column=place.column,
        key="" if any(_names_key(place, one) for one in (name, _dotted(path))) else name,
    )


def describe_unknown(path: Path, nearest: Path, root: Node) -> Problem:
    """A key that the schema does not have here; `nearest` is the one likely meant, or empty."""
    *above, last = path
    section = ".".join(map(str, above))
    variants = [key.variant for key in find_keys(path) if key.variant]
    got = f"unknown key {last!r}"
    do = "remove it; `assay config explain` lists all keys"
    if variants:
        got = f"{last!r}, a key of {section} type {_join_words(variants)}"
        do = f"remove it, or set {section}.type to {variants[0]}"
    elif nearest and "." in str(last):
        do = f"write it nested, `{': {'.join(map(str, nearest))}: …{'}' * (len(nearest) - 1)}`"
    elif nearest:
        same_block = nearest[:-1] == path[:-1]
        do = f"write {nearest[-1]}" if same_block else f"write it as {'.'.join(map(str, nearest))}"
    difference = get_difference(".".join(map(str, nearest))) if find_meant(str(last)) else ""
    if difference:
        do = f"{do}, {difference}"
    allowed = ", ".join(key.name.rsplit(".", 1)[-1] for key in _list_siblings(path, root))
    return build_problem(root, path, got=got, allowed=allowed, do=do, at_key=True)


def describe_missing(path: Path, root: Node) -> Problem:
    """A required key that is not there; located at the block that lacks it."""
    keys = find_keys(path)
    example = get_note(keys[0].field, "example")
    return build_problem(
        root,
        path,
        got="nothing",
        allowed=_join_allowed(keys),
        do=f"add it, for example `{example}`",
    )


def describe_value(path: Path, root: Node) -> Problem:
    """A value of the wrong type or outside the range."""
    nodes = [node for _, node in find_nodes(root, path)]
    value = to_plain(nodes[-1] if nodes else root)
    keys = _find_owner(path, root)
    do = _advise(path, value, keys)
    return build_problem(root, path, got=show_value(value), allowed=_join_allowed(keys), do=do)


def find_nearest(path: Path, root: Node) -> Path:
    """The key most likely meant by an unknown one.

    What another trainer calls so, else the nearest in its block, else one of that name elsewhere.
    """
    *above, last = path
    meant = find_meant(str(last))
    if meant and not any(isinstance(part, int) for part in above):
        return tuple(meant.split("."))
    siblings = [key.name.rsplit(".", 1)[-1] for key in _list_siblings(path, root)]
    close = difflib.get_close_matches(str(last).lower(), siblings, n=1)
    if close:
        return (*above, close[0])
    for key in walk_keys():
        nested = f".{key.name}".endswith(f".{last}")
        if nested and ".*." not in key.name and not key.section:
            return tuple(key.name.split("."))
    return ()


def show_value(value: Any) -> str:
    """A short picture of a value as the user wrote it."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, dict):
        return f"a block with {', '.join(map(str, value)) or 'no keys'}"
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def suggest(word: str, known: list[str]) -> str:
    """What another trainer calls `word`, else the nearest of `known`, as advice; or nothing."""
    meant = find_meant(word)
    if meant in known:
        return f"write {meant}"
    close = difflib.get_close_matches(word, known, n=1)
    return f"write {close[0]}" if close else ""


def to_path(key: str) -> Path:
    """A dotted key as a path; numbers are indices."""
    return tuple(int(part) if part.isdecimal() else part for part in key.split("."))


def locate_problem(root: Node, problem: Problem) -> Problem:
    """A problem of a dotted key, placed where the key was written."""
    path = to_path(problem.key)
    return build_problem(root, path, got=problem.got, allowed=problem.allowed, do=problem.do)


def _join_words(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _names_key(place: Place, name: str) -> bool:
    return place.file.startswith(f"override {name}=")


def _find_owner(path: Path, root: Node) -> list[Key]:
    """The key at `path`; for an entry of a plain list, the key of the list."""
    for end in (len(path), len(path) - 1):
        keys = _choose_variant(find_keys(path[:end]), root)
        if keys:
            return keys
    return []


def _list_siblings(path: Path, root: Node) -> list[Key]:
    """The keys that exist in the block of `path`, for the method or objective chosen there."""
    block = to_pattern(path[:-1])
    inside = [key for key in walk_keys() if key.name.rpartition(".")[0] == block]
    return _choose_variant(inside, root)


def _choose_variant(keys: list[Key], root: Node) -> list[Key]:
    def applies(key: Key) -> bool:
        section = key.name.split(".", 1)[0]
        block = root.value.get(section) if key.variant else None
        kind = block.value.get("type") if block and isinstance(block.value, dict) else None
        chosen = kind.value if kind else next(iter(VARIANTS.get(section, [""])))
        return not key.variant or chosen == key.variant

    return [key for key in keys if applies(key)] or keys


def _join_allowed(keys: list[Key]) -> str:
    return ", ".join(dict.fromkeys(key.allowed for key in keys))


def _advise(path: Path, value: Any, keys: list[Key]) -> str:
    refusal = get_refusal(".".join(map(str, path)), value)
    if refusal:
        return refusal
    allowed = _join_allowed(keys)
    choices = [choice for key in keys for choice in list_choices(key.field.annotation)]
    nearest = suggest(str(value), choices)
    if nearest:
        return nearest
    if value is None:
        return "give a value, or remove the key to have its default"
    if ("text" in allowed or "letters" in allowed) and isinstance(value, (int, float)):
        return f'put it in quotes: "{json.dumps(value)}"'
    if "number" in allowed and isinstance(value, str) and _is_number(value):
        return f"write {value.strip()} without quotes"
    if keys:
        return f"change it; `assay config explain {keys[0].name}` says more"
    return f"see `assay config explain {path[0]}`"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
