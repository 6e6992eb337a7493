"""Reads tool definitions and tool calls of a row into OpenAI's shape; executes and renders nothing.

Arguments may be JSON text (OpenAI) or an object (most open datasets); they leave as JSON text, and
text that a row gave is kept as it stands, byte for byte.
"""

from __future__ import annotations

import json
from typing import Any

from assay.data.json_text import parse_json
from assay.data.records import RowCheck, describe, describe_type, to_json_value

Tool = dict[str, Any]

_TOOL_SHAPE = '{"type": "function", "function": {"name": …, "parameters": {…}}}'


def drop_nulls(value: Any) -> Any:
    """A copy without null members: what a columnar file adds to rows that lack a field."""
    if isinstance(value, dict):
        return {key: drop_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [drop_nulls(item) for item in value]
    return value


def parse_if_text(value: Any, check: RowCheck, key: str) -> Any:
    """A list that stands as JSON text (a CSV cell, a Parquet string), parsed; else the value."""
    if not isinstance(value, str) or not value.strip():
        return value
    try:
        return parse_json(value)
    except ValueError as error:
        check.refuse(key, f"text that is not JSON: {error}", "a list, or a list as JSON text")
        return None


def read_tools(value: Any, check: RowCheck, *, key: str = "tools") -> list[Tool] | None:
    """The row's tools, or None where it has none. Problems go to `check`."""
    if value is None or value == "" or value == []:
        return None
    before = len(check.problems)
    tools = parse_if_text(value, check, key)
    if len(check.problems) > before:
        return None
    if isinstance(tools, dict):
        tools = [tools]
    if not isinstance(tools, list):
        check.refuse(key, describe_type(tools), "a list of tools, or such a list as JSON text")
        return None
    if check.row.columnar:
        tools = drop_nulls(tools)
    read = [_read_tool(tool, check, f"{key}[{index}]") for index, tool in enumerate(tools)]
    _refuse_doubles([tool for tool in read if tool], check, key)
    return [tool for tool in read if tool] or None


def _read_tool(tool: Any, check: RowCheck, key: str) -> Tool | None:
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(function, dict):
        check.refuse(key, describe(tool), _TOOL_SHAPE)
        return None
    kind = tool.get("type", "function")
    if kind != "function":
        check.refuse(f"{key}.type", describe(kind), '"function"')
        return None
    name = function.get("name")
    if not isinstance(name, str) or not name.strip():
        got = "no name" if name is None else describe(name)
        check.refuse(f"{key}.function.name", got, "a name as text")
        return None
    parameters = function.get("parameters")
    if parameters is None:
        parameters = {"type": "object", "properties": {}}
    if not isinstance(parameters, dict):
        check.refuse(
            f"{key}.function.parameters", describe_type(parameters), "a JSON Schema object"
        )
        return None
    known = {key: item for key, item in function.items() if key not in ("type", "parameters")}
    return {"type": "function", "function": {**known, "parameters": parameters}}


def _refuse_doubles(tools: list[Tool], check: RowCheck, key: str) -> None:
    names = [tool["function"]["name"] for tool in tools]
    for name in sorted({name for name in names if names.count(name) > 1}):
        check.refuse(key, f"two tools named {name!r}", "each tool once", "remove one or rename it")


def read_tool_calls(value: Any, check: RowCheck, key: str) -> list[dict[str, Any]]:
    """The calls of one assistant message; an id that is missing is left empty for the caller."""
    if not isinstance(value, list):
        check.refuse(key, describe_type(value), "a list of tool calls")
        return []
    calls = [read_tool_call(call, check, f"{key}[{index}]") for index, call in enumerate(value)]
    return [call for call in calls if call]


def read_tool_call(call: Any, check: RowCheck, key: str) -> dict[str, Any] | None:
    """One call, as `{"id", "type", "function"}` or flat `{"name", "arguments"}`."""
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict):
        check.refuse(key, describe(call), '{"id", "type": "function", "function": {…}}')
        return None
    name = function.get("name")
    if not isinstance(name, str) or not name.strip():
        got = "no name" if name is None else describe(name)
        check.refuse(f"{key}.function.name", got, "the name of a tool")
        return None
    identity = call.get("id")
    if identity is not None and not isinstance(identity, str):
        check.refuse(f"{key}.id", describe_type(identity), "text")
        return None
    arguments = _read_arguments(function.get("arguments"), check, f"{key}.function.arguments")
    if arguments is None:
        return None
    return {
        "id": identity or "",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _read_arguments(value: Any, check: RowCheck, key: str) -> str | None:
    if isinstance(value, dict):
        given = drop_nulls(value) if check.row.columnar else value
        try:
            return json.dumps(to_json_value(given), ensure_ascii=False)
        except ValueError as error:
            check.refuse(key, f"an object with {error}", "JSON values alone")
            return None
    if value is None:
        check.refuse(key, "no arguments", "an object as JSON text", "write {} for a call without")
        return None
    if not isinstance(value, str):
        check.refuse(key, describe_type(value), "an object as JSON text")
        return None
    try:
        parsed = parse_json(value)
    except ValueError as error:
        check.refuse(key, f"text that is not JSON ({error})", "an object as JSON text")
        return None
    if not isinstance(parsed, dict):
        check.refuse(key, describe_type(parsed), "an object as JSON text")
        return None
    return value
