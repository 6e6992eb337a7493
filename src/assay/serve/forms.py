"""Forms with a file, as the OpenAPI document has them; routes read them after the key is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe_form(
    fields: Mapping[str, Any], *, file: str, required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What a route adds to its operation: a form of these fields, and the field of the file."""
    schema = {
        "type": "object",
        "required": [*required, file],
        "properties": {**fields, file: {"type": "string", "format": "binary"}},
    }
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }
