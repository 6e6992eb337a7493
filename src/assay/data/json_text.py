"""Strict JSON from text: refuses what silently changes data; knows nothing of rows' meaning.

Beyond broken syntax it refuses a key that stands twice in one object (Python would keep the last),
NaN and Infinity (not JSON), and half of a surrogate pair (no tokenizer can encode it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# Deeper than any row; every level is decoded again to find the place.
_MAX_LEVELS = 16
_SPACE = re.compile(r"[ \t\r\n]*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class RefusedValue(ValueError):
    """Sound JSON that is refused for what it says; its value begins at `start` of the text."""

    def __init__(self, message: str, start: int) -> None:
        super().__init__(message)
        self.start = start


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {double!r} stands twice in one object")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_pairs, parse_constant=_no_constant)


def decode_at(text: str, start: int) -> tuple[Any, int]:
    """One JSON value that begins at `text[start]`, and the offset after it.

    Raises:
        json.JSONDecodeError: the syntax is broken, at the line and column that it names.
        RefusedValue: the value is refused.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise RefusedValue("objects or lists are nested too deeply", start) from error
    except ValueError as error:
        raise RefusedValue(str(error), start) from error
    if _SURROGATE.search(text, start, end):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise RefusedValue(
                "half of a surrogate pair (\\ud800 to \\udfff stand in pairs)", start
            ) from error
    return value, end


def find_refused(text: str, start: int) -> int:
    """Offset of the innermost object, list or value, at or within `text[start]`, that is refused.

    Args:
        start: of a value for which `decode_at` raised `RefusedValue`.
    """
    for _ in range(_MAX_LEVELS):
        inner = _find_refused_child(text, start)
        if inner is None:
            break
        start = inner
    return start


def _find_refused_child(text: str, start: int) -> int | None:
    iterate = {"{": iterate_members, "[": iterate_elements}.get(text[start])
    try:
        for _ in iterate(text, start) if iterate else ():
            pass
    except RefusedValue as error:
        return error.start
    except json.JSONDecodeError:
        return None  # nested too deeply for the whole, and broken further in
    return None


def skip_space(text: str, start: int) -> int:
    """Offset of the first character at or after `start` that is not JSON white space."""
    match = _SPACE.match(text, start)
    return match.end() if match else start


def parse_json(text: str) -> Any:
    """The one JSON value that `text` holds.

    Raises:
        ValueError: as `decode_at`, or something stands after the value.
    """
    value, end = decode_at(text, skip_space(text, 0))
    end = skip_space(text, end)
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def iterate_members(text: str, start: int) -> Iterator[tuple[str, Any, int]]:
    """Members of the object at `text[start]`: key, value, offset of the value."""
    position = skip_space(text, start + 1)
    while text[position : position + 1] != "}":
        key, position = decode_at(text, position)
        position = _expect(text, position, ":")
        value, end = decode_at(text, position)
        yield key, value, position
        position = _after_item(text, end, "}")


def iterate_elements(text: str, start: int) -> Iterator[tuple[Any, int]]:
    """Elements of the list at `text[start]`, one at a time: value, offset."""
    position = skip_space(text, start + 1)
    while text[position : position + 1] != "]":
        value, end = decode_at(text, position)
        yield value, position
        position = _after_item(text, end, "]")


def _expect(text: str, position: int, mark: str) -> int:
    position = skip_space(text, position)
    if text[position : position + 1] != mark:
        raise json.JSONDecodeError(f"Expecting {mark!r} delimiter", text, position)
    return skip_space(text, position + 1)


def _after_item(text: str, position: int, closing: str) -> int:
    """Offset of the next item, or of `closing`; a comma before `closing` is refused."""
    position = skip_space(text, position)
    if text[position : position + 1] == closing:
        return position
    position = _expect(text, position, ",")
    if text[position : position + 1] == closing:
        raise json.JSONDecodeError("Illegal trailing comma", text, position)
    return position
