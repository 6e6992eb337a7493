"""Turns rows of BFCL into chat rows with tools and tool calls; it judges no answer.

    python examples/bfcl/convert.py FILE.jsonl... OUT.jsonl

An argument that may be left out is left out; of several allowed values the first is written. A row
whose right answer is to call nothing gets a sentence that says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

NO_CALL = "None of these tools can do that."
# BFCL names types after Python; JSON Schema has other names, and none for "any".
TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": None}
LEFT_OUT = ""
Row = dict[str, Any]


def convert_row(row: Row) -> Row:
    """One chat row: the first turn's messages, the tools, and the calls that are right."""
    schemas: dict[str, Row] = {}
    for function in row["function"]:
        schemas.setdefault(function["name"], convert_schema(function["parameters"]))
    descriptions = {tool["name"]: tool.get("description", "") for tool in row["function"]}
    tools = [
        {
            "type": "function",
            "function": {"name": name, "description": descriptions[name], "parameters": schema},
        }
        for name, schema in schemas.items()
    ]
    answer = convert_answer(row["ground_truth"], schemas)
    return {"id": row["id"], "messages": [*row["question"][0], answer], "tools": tools}


def convert_schema(schema: Any) -> Any:
    """The schema with JSON Schema's names of types, at every depth."""
    if isinstance(schema, list):
        return [convert_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {}
    for key, value in schema.items():
        # A property may itself be called "type"; then its value is a schema, not a name.
        if key == "type" and isinstance(value, str):
            if (name := TYPES.get(value, value)) is not None:
                converted[key] = name
        else:
            converted[key] = value if key in ("enum", "default") else convert_schema(value)
    return converted


def convert_answer(truth: Sequence[Row], schemas: dict[str, Row]) -> Row:
    """The assistant's message: all calls, numbered, or the sentence that none fits."""
    if not truth:
        return {"role": "assistant", "content": NO_CALL}
    calls = []
    for number, call in enumerate(truth, start=1):
        ((name, options),) = call.items()
        required = schemas[name].get("required", [])
        arguments = choose_arguments(options, required=required)
        function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
        calls.append({"id": f"call_{number}", "type": "function", "function": function})
    return {"role": "assistant", "content": None, "tool_calls": calls}


def choose_arguments(options: Row, *, required: Sequence[str] = ()) -> Row:
    """The first allowed value of each argument, without those that may be left out."""
    chosen = {}
    for name, values in options.items():
        if not values or (values[0] == LEFT_OUT and name not in required):
            continue
        given = [value for value in values if value != LEFT_OUT]
        chosen[name] = choose_value(given[0] if given else LEFT_OUT)
    return chosen


def choose_value(value: Any) -> Any:
    """A value as it is; an object whose members are lists of allowed values is chosen through."""
    if isinstance(value, list):
        return [choose_value(part) for part in value]
    if isinstance(value, dict) and value and all(isinstance(v, list) for v in value.values()):
        return choose_arguments(value)
    return value


def read_rows(paths: Sequence[Path]) -> Iterator[Row]:
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.strip())


def main(arguments: Sequence[str]) -> None:
    if len(arguments) < 2:
        sys.exit("usage: convert.py FILE.jsonl... OUT.jsonl")
    *sources, out = map(Path, arguments)
    lines = [json.dumps(convert_row(row), ensure_ascii=False) for row in read_rows(sources)]
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print(f"{out}: {len(lines)} rows")


if __name__ == "__main__":
    main(sys.argv[1:])
