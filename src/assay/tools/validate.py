"""Checks a tool call against the JSON Schemas of the tools on offer; it reaches no network."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.tools.calls import ToolCall


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
    return [f"{call.name}{problem}" for problem in _schema_problems(schema, call.arguments)]


def _spec_of(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function")
    return function if isinstance(function, Mapping) else tool


def _describe_unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"{name}: no such tool, did the model mean {near[0]}?"
    return f"{name}: no such tool, allowed {', '.join(known) or 'none'}"


def _schema_problems(schema: Any, arguments: Mapping[str, Any]) -> Iterator[str]:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
        # An explicit registry: the default one fetches unknown references from the network.
        validator = Draft202012Validator(schema, registry=Registry())
        errors = sorted(validator.iter_errors(arguments), key=lambda error: error.json_path)
    except SchemaError as error:
        yield f": its own parameters are not a JSON Schema: {error.message}"
        return
    except Unresolvable as error:
        yield f": its parameters refer to a schema that is not at hand: {error}"
        return
    except RecursionError:
        yield ": its parameters refer to themselves without end"
        return
    for found in errors:
        yield f"{found.json_path.removeprefix('$')}: {_describe(found)}"


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
