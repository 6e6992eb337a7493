"""Which texts can be stored: JSON may spell ones that neither UTF-8 nor PostgreSQL can hold."""

from __future__ import annotations

import json
from typing import Any

MOST_NAME_CHARS = 512


def check_whole(value: Any) -> Any:
    """A JSON value, unless a text of it holds half of a surrogate pair, which UTF-8 cannot hold.

    Raises:
        ValueError: one does.
    """
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text holds half of a surrogate pair") from error
    return value


def check_name(value: str) -> str:
    """A name by which things are looked for later.

    Raises:
        ValueError: it is longer than 512 characters, or cannot be stored.
    """
    if len(value) > MOST_NAME_CHARS or not is_storable(value):
        raise ValueError(f"at most {MOST_NAME_CHARS} characters, and no NUL")
    return value


def is_storable(value: Any) -> bool:
    """Whether no text in a JSON value holds a NUL or half of a surrogate pair."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text and "\\u0000" not in text


def render_json(value: Any) -> str:
    """A value as one line of JSON, in ASCII where UTF-8 cannot hold it."""
    text = json.dumps(value, ensure_ascii=False)
    return text if is_storable(text) else json.dumps(value)
