"""Checks a tool call against the JSON Schemas of the tools on offer; it reaches no network."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assay.tools.calls import ToolCall
from assay.tools.timed_pattern import limit_patterns

_OPEN = {
    "additionalProperties",
    "patternProperties",
    "unevaluatedProperties",
    "propertyNames",
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
}


@dataclass(frozen=True)
class Validated:
    """Problems of a call's arguments, each ``.path: what``; or why its schema cannot tell."""

    problems: tuple[str, ...] = ()
    schema_problem: str = ""


def validate_call(call: ToolCall, tools: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with `call`, a sentence each; empty if the tool exists and takes it.

    Args:
        call: name and arguments.
        tools: OpenAI tool descriptions, or their ``function`` parts. A tool without `parameters`
            takes any arguments.
    """
    specs = {str(spec.get("name")): spec for spec in map(_spec_of, tools)}
    if call.name not in specs:
        return [_describe_unknown(call.name, sorted(specs))]
    schema = specs[call.name].get("parameters")
    if not schema:
        return []
    checked = validate_arguments(call.arguments, schema)
    if checked.schema_problem:
        return [f"{call.name}: {checked.schema_problem}"]
    return [f"{call.name}{problem}" for problem in checked.problems]


def _spec_of(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function")
    return function if isinstance(function, Mapping) else tool


def _describe_unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"{name}: no such tool, did the model mean {near[0]}?"
    return f"{name}: no such tool, allowed {', '.join(known) or 'none'}"


def validate_arguments(arguments: Mapping[str, Any], schema: Any) -> Validated:
    """What is wrong with a call's arguments; of no schema (None or empty) nothing is.

    The same schema is compiled once.
    """
    if not schema:
        return Validated()
    validator = _compile(json.dumps(schema, sort_keys=True))
    if isinstance(validator, str):
        return Validated(schema_problem=validator)
    return _validate(validator, arguments)


def list_failed_keywords(
    arguments: Mapping[str, Any], schema: Mapping[str, Any]
) -> list[tuple[tuple[str | int, ...], str]]:
    """The place and the keyword of each part of `schema` that the arguments break, values untold.

    A schema that cannot tell breaks as a whole, by the keyword ``$schema``.
    """
    from referencing.exceptions import Unresolvable

    validator = _compile(json.dumps(schema, sort_keys=True))
    if isinstance(validator, str):
        return [((), "$schema")]
    try:
        errors = sorted(validator.iter_errors(arguments), key=lambda error: error.json_path)
    except (Unresolvable, RecursionError, TimeoutError):
        return [((), "$schema")]
    return [(tuple(error.absolute_path), str(error.validator)) for error in errors]


def find_unknown_arguments(arguments: Mapping[str, Any], schema: Any) -> list[str]:
    """Names of arguments that a schema with properties does not have, though it lets them pass.

    A schema that says itself what more there may be (`additionalProperties`,
    `patternProperties`), or that is put together of others, is taken at its word.
    """
    if not isinstance(schema, Mapping) or _OPEN & schema.keys():
        return []
    known = schema.get("properties")
    if not isinstance(known, Mapping) or not known:
        return []
    return [name for name in arguments if name not in known]


@lru_cache(maxsize=4096)
def _compile(schema_json: str) -> Any:
    """A validator; or, as text, why the schema is none."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry

    schema = json.loads(schema_json)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"its own parameters are not a JSON Schema: {error.message}"
    # An explicit registry: the default one fetches unknown references from the network.
    return limit_patterns(Draft202012Validator)(schema, registry=Registry())


def _validate(validator: Any, arguments: Mapping[str, Any]) -> Validated:
    from referencing.exceptions import Unresolvable

    try:
        errors = sorted(validator.iter_errors(arguments), key=lambda error: error.json_path)
    except Unresolvable as error:
        told = f"its parameters refer to a schema that is not at hand: {error}"
        return Validated(schema_problem=told)
    except RecursionError:
        return Validated(schema_problem="its parameters refer to themselves without end")
    except TimeoutError:
        told = "a pattern of its parameters takes too long to be looked for"
        return Validated(schema_problem=told)
    return Validated(
        tuple(f"{error.json_path.removeprefix('$')}: {_describe(error)}" for error in errors)
    )


def _describe(error: Any) -> str:
    """The error as got and allowed; jsonschema's own words where no better are known."""
    got = json.dumps(error.instance, ensure_ascii=False)
    allowed = error.validator_value
    if error.validator == "type":
        names = allowed if isinstance(allowed, str) else " or ".join(allowed)
        return f"got {got}, allowed {names}"
    if error.validator == "enum":
        return f"got {got}, allowed {', '.join(json.dumps(v, ensure_ascii=False) for v in allowed)}"
    return str(error.message)
