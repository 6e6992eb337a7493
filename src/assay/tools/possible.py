"""Whether calls are among the possible right ones, by the rules of BFCL's published checker.

A possible call lists, for each argument, the values that are right; "" among them says that the
argument may be left out. Texts compare without case, spaces and ``,./-_*^``. The rules are those of
the Berkeley Function-Calling Leaderboard (Patil et al. 2025; gorilla, `ast_checker`, Python
categories), oddities included: a whole number passes for a float, but not within a list of floats
unless the right list has it; a list whose right values include "" may hold items of any type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from assay.tools.calls import ToolCall

Possible = Mapping[str, Mapping[str, Sequence[Any]]]
"""``{tool name: {argument: [right values]}}``, of one call."""

LEFT_OUT = ""
_TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
_NEUTRAL = re.compile(r"[ ,./\-_*^]")


def find_possible_problem(
    calls: Sequence[ToolCall],
    possible: Sequence[Possible],
    functions: Sequence[Mapping[str, Any]],
) -> str:
    """Why `calls` are not the right ones, in one sentence; "" where they are.

    The number of calls must agree; their order does not matter.

    Args:
        calls: the model's.
        possible: the right ones; none where nothing may be called.
        functions: BFCL's own descriptions (types named after Python: dict, float, tuple, any).
    """
    if len(calls) != len(possible):
        return f"{len(calls)} calls were made, {len(possible)} are right"
    known = {str(function["name"]): function for function in functions}
    left = list(calls)
    for one in possible:
        ((name, values),) = one.items()
        problems = [_find_problem(call, name, values, known[name]) for call in left]
        if "" not in problems:
            return problems[0] if len(problems) == 1 else f"no call is the right one of {name}"
        left.pop(problems.index(""))
    return ""


def _find_problem(
    call: ToolCall, name: str, possible: Mapping[str, Sequence[Any]], function: Mapping[str, Any]
) -> str:
    if call.name != name:
        return f"{call.name} is called in place of {name}"
    properties = function["parameters"]["properties"]
    for key in function["parameters"].get("required", []):
        if key not in call.arguments:
            return f"{name} lacks {key}"
    for key, value in call.arguments.items():
        if key not in properties or key not in possible:
            return f"{name} has no {key}"
        if not _is_possible(value, possible[key], properties[key]):
            return f"{key} of {name} is {value!r}"
    for key, values in possible.items():
        if key not in call.arguments and LEFT_OUT not in values:
            return f"{name} lacks {key}"
    return ""


def _is_possible(value: Any, possible: Sequence[Any], schema: Mapping[str, Any]) -> bool:
    kind = str(schema["type"])
    wanted, items = _TYPES[kind], None
    if kind in ("array", "tuple") and isinstance(schema.get("items"), Mapping):
        items = _TYPES[str(schema["items"]["type"])]
    if kind == "float" and type(value) is int:
        value = float(value)
    told = next((type(one) for one in possible if one != LEFT_OUT), None)
    if not _is_exactly(value, wanted):
        # The right value is of another type than the schema says: a variable's name, mostly.
        return told is not None and _is_exactly(value, told) and value in possible
    if items is not None and not any(_has_items(value, one, items) for one in possible):
        return False
    if told not in (None, wanted):
        return value in possible
    if wanted is dict:
        return any(_is_possible_object(value, one) for one in possible if one != LEFT_OUT)
    if wanted is list and items is dict:
        return any(_is_possible_table(value, one) for one in possible)
    if wanted is str:
        return _fold(value) in [_fold(one) for one in possible if isinstance(one, str)]
    if wanted is list:
        return _fold_all(value) in [_fold_all(one) for one in possible]
    return value in possible


def _is_exactly(value: Any, kind: type) -> bool:
    """Of that very type: a truth value is no whole number."""
    return type(value) is kind


def _has_items(value: Sequence[Any], possible: Any, items: type) -> bool:
    """Whether the items are of their type, or of that of the right ones."""
    if not isinstance(possible, list):
        return True
    told = next((type(one) for one in possible if one != LEFT_OUT), None)
    return all(type(one) in (items, told) for one in value)


def _is_possible_object(value: Mapping[str, Any], possible: Mapping[str, Any]) -> bool:
    for key, inner in value.items():
        if key not in possible:
            return False
        right = [_fold(one) for one in _as_list(possible[key])]
        if _fold(inner) not in right:
            return False
    return all(key in value or LEFT_OUT in _as_list(right) for key, right in possible.items())


def _is_possible_table(value: Sequence[Any], possible: Sequence[Any]) -> bool:
    return len(value) == len(possible) and all(
        isinstance(one, Mapping) and _is_possible_object(one, right)
        for one, right in zip(value, possible, strict=True)
    )


def _as_list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _fold(value: Any) -> Any:
    """A text without case, spaces and marks; other values as they are."""
    return _NEUTRAL.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value


def _fold_all(values: Sequence[Any]) -> list[Any]:
    return [_fold(one) for one in values]
