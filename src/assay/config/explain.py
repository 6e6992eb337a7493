"""What can be asked about recipes: the JSON Schema, and keys in words."""

from __future__ import annotations

from typing import Any

from assay.config.keys import Key, find_sections, is_list, walk_keys
from assay.config.recipe import Recipe
from assay.config.resolve import describe_rule
from assay.config.setting import get_note
from assay.config.wording import show_value, suggest
from assay.errors import ConfigError, Problem

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, short forms included; editors complete and check by it."""
    return {"$schema": SCHEMA_DIALECT, **Recipe.model_json_schema(mode="validation")}


def describe_keys(key: str = "") -> list[dict[str, str]]:
    """`key` and every key inside it (all keys for ""), each as its facts by name.

    The facts are key, meaning, type (of the methods or objectives that have the key), allowed,
    unit, default, because and example; those that do not apply are left out. Indices in `key` are
    free.

    Raises:
        ConfigError: there is no such key; names the nearest.
    """
    wanted = ".".join(part for part in key.split(".") if part and not part.isdecimal())
    found = [each for each in walk_keys() if _covers(wanted, _plain(each))]
    if not found:
        raise ConfigError(_describe_unknown(key, wanted))
    return _join_types([_describe(each) for each in found])


def explain(key: str = "") -> str:
    """`describe_keys` as text: the key itself in full, keys inside it on a line each.

    Raises:
        ConfigError: there is no such key; names the nearest.
    """
    described = describe_keys(key)
    shortest = min(row["key"].count(".") for row in described) if key else -1
    full = [_render_full(row) for row in described if row["key"].count(".") == shortest]
    lines = [_render_line(row) for row in described if row["key"].count(".") > shortest]
    return "\n\n".join([*full, *(["\n".join(lines)] if lines else [])])


def _describe(key: Key) -> dict[str, str]:
    facts = {
        "key": _plain(key),
        "meaning": key.field.description or "",
        "type": key.variant,
        "allowed": key.allowed,
        "unit": get_note(key.field, "unit"),
        "default": _describe_default(key),
        "because": describe_rule(key.name) or get_note(key.field, "reason"),
        "example": get_note(key.field, "example"),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _join_types(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """One row for a key that several types have alike."""
    joined: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        facts = tuple(fact for name, fact in row.items() if name != "type")
        if facts in joined and "type" in row:
            joined[facts]["type"] += f", {row['type']}"
        else:
            joined[facts] = row
    return list(joined.values())


def _describe_default(key: Key) -> str:
    if key.field.is_required():
        return "none: the key is required"
    if find_sections(key.field.annotation) and not is_list(key.field.annotation):
        return ""
    value = key.field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "null"
    return value if isinstance(value, str) else show_value(value)


def _render_full(row: dict[str, str]) -> str:
    title = f"{row['key']} (type {row['type']})" if "type" in row else row["key"]
    shown = {name: fact for name, fact in row.items() if name not in ("key", "meaning", "type")}
    facts = [f"  {name:<8} {fact}" for name, fact in shown.items()]
    return "\n".join([title, f"  {row['meaning']}", *facts])


def _render_line(row: dict[str, str]) -> str:
    return f"{row['key']:<28} {row['meaning']}"


def _plain(key: Key) -> str:
    return key.name.replace(".*", "")


def _covers(wanted: str, name: str) -> bool:
    return not wanted or name == wanted or name.startswith(f"{wanted}.")


def _describe_unknown(key: str, wanted: str) -> Problem:
    names = [_plain(each) for each in walk_keys()]
    same = [name for name in names if name.rsplit(".", 1)[-1] == wanted]
    do = f"write {same[0]}" if same else suggest(wanted, names)
    return Problem(
        got=f"unknown key {key!r}",
        allowed="a key of a recipe, such as train.learning_rate",
        do=do or "`assay config explain` lists all keys",
    )
