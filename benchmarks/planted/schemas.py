"""Whether a row's calls follow its tools' schemas, by the package jsonschema alone.

What a clean file is must not depend on the rules that are measured, so nothing of ours is asked.
"""

from __future__ import annotations

import json
from typing import Any

from jsonschema import SchemaError
from jsonschema.validators import validator_for

Row = dict[str, Any]


def follows_schemas(row: Row) -> bool:
    """Whether every call of an offered tool is valid; a schema that is none refuses nothing."""
    offered = {one["function"]["name"]: one["function"] for one in row.get("tools") or ()}
    for message in row["messages"]:
        for call in message.get("tool_calls") or ():
            schema = offered.get(call["function"]["name"], {}).get("parameters") or {}
            if not _is_valid(json.loads(call["function"]["arguments"]), schema):
                return False
    return True


def _is_valid(arguments: Any, schema: Row) -> bool:
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError:
        return True
    return bool(kind(schema).is_valid(arguments))
