"""Asks a served model as users do."""

from typing import Any

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
TIMER = {
    "type": "function",
    "function": {
        "name": "set_timer",
        "parameters": {
            "type": "object",
            "properties": {"minutes": {"$ref": "#/$defs/whole"}},
            "required": ["minutes"],
            "additionalProperties": False,
            "$defs": {"whole": {"type": "integer", "minimum": 1, "maximum": 90}},
        },
    },
}


def ask(client: Any, text: str, **options: Any) -> Any:
    """One user turn, answered greedily in few tokens unless told otherwise."""
    given = {"model": "tiny", "max_completion_tokens": 24, "temperature": 0, **options}
    return client.chat.completions.create(messages=[{"role": "user", "content": text}], **given)
