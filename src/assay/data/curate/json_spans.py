"""Replaces parts of a JSON text so that it stays JSON; it knows not what is replaced, or why."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

# A string with its quotes, or any other scalar.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"{}\[\]:,]+')
_ESCAPE = re.compile(
    r"\\(?:[\"\\/bfnrt]|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4})"
)
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def blank_escapes(text: str) -> str:
    r"""`text` with every JSON escape as as many spaces: ``\nanna@…`` is no address ``nanna@…``."""
    return _ESCAPE.sub(lambda found: " " * len(found[0]), text) if "\\" in text else text


def decode_escapes(text: str) -> str:
    """A JSON text with each escape as the one character it stands for: to search, not to parse."""
    return _ESCAPE.sub(_decode, text) if "\\" in text else text


def locate_decoded(text: str, start: int, end: int) -> tuple[int, int]:
    """Where characters `start` to `end` of ``decode_escapes(text)`` stand in `text`."""
    shift = 0
    raw_start = None
    for escape in _ESCAPE.finditer(text):
        place = escape.start() - shift
        if raw_start is None and place >= start:
            raw_start = start + shift
        if place >= end:
            break
        shift += len(escape[0]) - 1
    return (start + shift if raw_start is None else raw_start), end + shift


def _decode(found: re.Match[str]) -> str:
    return _LONE_SURROGATE.sub("\ufffd", str(json.loads(f'"{found[0]}"')))


def replace_in_json(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """`text` with each edit made, as JSON.

    Within a string the new text stands as it is; a number, or several tokens, of which a part is
    replaced become one string. Edits are in order and do not overlap; new texts need no escapes.

    Raises:
        ValueError: `text` is JSON and would not be any more.
    """
    parts: list[str] = []
    done = 0
    for start, end, new in edits:
        tokens = [one for one in _TOKEN.finditer(text) if one.end() > start and one.start() < end]
        within = len(tokens) == 1 and text[tokens[0].start()] == '"'
        if within and tokens[0].start() < start and end < tokens[0].end():
            parts += [text[done:start], new]
            done = end
        elif tokens and tokens[0].start() >= done:
            parts += [text[done : tokens[0].start()], f'"{new}"']
            done = tokens[-1].end()
    changed = "".join([*parts, text[done:]])
    if _is_json(text) and not _is_json(changed):
        raise ValueError("the text would be JSON no longer")
    return changed


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
