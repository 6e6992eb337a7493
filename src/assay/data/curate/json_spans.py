"""Replaces parts of a JSON text so that it stays JSON; it knows not what is replaced, or why."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

# A string with its quotes, or any other scalar.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"{}\[\]:,]+')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')


def blank_escapes(text: str) -> str:
    r"""`text` with every JSON escape as as many spaces: ``\nanna@…`` is no address ``nanna@…``."""
    return _ESCAPE.sub(lambda found: " " * len(found[0]), text) if "\\" in text else text


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
