"""BFCL: calls of tools, one or several at once, and none where no tool fits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from assay.errors import DataError, Problem
from assay.evaluate.items import Item, Rendering
from assay.evaluate.suites.public.fields import Fields, take_text
from assay.evaluate.suites.public.format import Asked, Format, Part
from assay.tools.possible import LEFT_OUT

_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": None}
"""JSON Schema's names of the types that BFCL names after Python; it has none for any."""


def _build(row: Fields, rendering: Rendering) -> Sequence[Asked]:
    name, functions = take_text(row, "id"), _take_functions(row)
    possible = _take_possible(row)
    known = {function["name"]: function for function in functions}
    expects = "any" if "irrelevance" not in name and "relevance" in name else "calls"
    if expects == "calls" and not possible:
        expects = "none"
    if unknown := [tool for one in possible for tool in one if tool not in known]:
        got = f"{unknown[0]!r}, which is not among the functions"
        raise DataError(Problem(got=got, key="ground_truth"))
    item = Item(
        id="",
        messages=_take_messages(row),
        reference=_write_reference(possible, known),
        tools=[_build_tool(function) for function in known.values()] or None,
        options={"bfcl": {"expects": expects, "possible": possible, "functions": functions}},
        extra={"row": name},
    )
    return [("irrelevance" if expects == "none" else "calls", item)]


def _take_functions(row: Fields) -> list[dict[str, Any]]:
    functions = row.get("function")
    functions = [functions] if isinstance(functions, dict) else functions
    if not isinstance(functions, list) or not all(map(_is_function, functions)):
        allowed = "functions with name and parameters.properties"
        raise DataError(Problem(got=repr(functions)[:80], allowed=allowed, key="function"))
    return functions


def _is_function(value: Any) -> bool:
    parameters = value.get("parameters") if isinstance(value, Mapping) else None
    return isinstance(parameters, Mapping) and isinstance(parameters.get("properties"), Mapping)


def _take_possible(row: Fields) -> list[dict[str, Any]]:
    possible = row.get("ground_truth")
    right = isinstance(possible, list) and all(
        isinstance(one, Mapping) and len(one) == 1 for one in possible
    )
    if not right:
        allowed = "a list of {function: {argument: [right values]}}"
        raise DataError(Problem(got=repr(possible)[:80], allowed=allowed, key="ground_truth"))
    return [dict(one) for one in possible or ()]


def _take_messages(row: Fields) -> list[dict[str, Any]]:
    """The first turn's messages; rows of several turns need a simulator and are refused."""
    turns = row.get("question")
    if not isinstance(turns, list) or len(turns) != 1 or not isinstance(turns[0], list):
        got = f"{len(turns)} turns" if isinstance(turns, list) else repr(turns)[:80]
        raise DataError(Problem(got=got, allowed="one turn, a list of messages", key="question"))
    return [dict(message) for message in turns[0]]


def _build_tool(function: Mapping[str, Any]) -> dict[str, Any]:
    spec = {
        "name": function["name"],
        "description": str(function.get("description", "")),
        "parameters": convert_schema(function["parameters"]),
    }
    return {"type": "function", "function": spec}


def convert_schema(schema: Any) -> Any:
    """The schema with JSON Schema's names of types, at every depth."""
    if isinstance(schema, list):
        return [convert_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {}
    for key, value in schema.items():
        # A property may itself be called "type": then its value is a schema, and no name.
        if key == "type" and isinstance(value, str):
            if (name := _TYPES.get(value, value)) is not None:
                converted[key] = name
        else:
            converted[key] = value if key in ("enum", "default") else convert_schema(value)
    return converted


def _write_reference(
    possible: Sequence[Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | str:
    """One right answer: the first value of each argument, without those that may be left out."""
    if not possible:
        return "None of these tools can do that."
    calls = []
    for number, one in enumerate(possible, start=1):
        ((name, values),) = one.items()
        required = known[name]["parameters"].get("required", [])
        function = {"name": name, "arguments": json.dumps(choose_arguments(values, required))}
        calls.append({"id": f"call_{number}", "type": "function", "function": function})
    return {"role": "assistant", "content": None, "tool_calls": calls}


def choose_arguments(values: Mapping[str, Sequence[Any]], required: Sequence[str]) -> Any:
    """The first right value of each argument, without those that may be left out."""
    return {
        name: _choose(next((one for one in right if one != LEFT_OUT), LEFT_OUT))
        for name, right in values.items()
        if LEFT_OUT not in right or name in required
    }


def _choose(value: Any) -> Any:
    """A right value as it is; one choice of each member of an object that lists several."""
    if isinstance(value, list):
        return [_choose(part) for part in value]
    if isinstance(value, dict) and value and all(isinstance(one, list) for one in value.values()):
        return choose_arguments(value, ())
    return value


BFCL = Format(
    name="bfcl",
    columns=(frozenset({"question", "function", "ground_truth"}),),
    parts={"calls": Part("tools", "bfcl"), "irrelevance": Part("tools", "bfcl")},
    build=_build,
    measures="whether the right calls are made, and none where no tool fits",
    source="Patil et al. 2025, gorilla; Apache-2.0",
)
