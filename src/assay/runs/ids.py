"""Run names and ids; knows nothing of folders.

An id is 10 characters of Crockford's base 32 (no i, l, o, u): 9 of milliseconds since 1970, which
last until the year 3084, and one of chance. Sorting ids as text sorts runs by time.
"""

from __future__ import annotations

import re
import secrets
import time

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_CHARS = 9
ID_PATTERN = re.compile(rf"[{_DIGITS}]{{{_TIME_CHARS + 1}}}")


def new_run_id(*, now_s: float | None = None) -> str:
    """Make an id for `now_s` seconds since 1970 (default: now)."""
    milliseconds = int((time.time() if now_s is None else now_s) * 1000)
    chars = [
        _DIGITS[(milliseconds >> shift) & 31] for shift in range(5 * (_TIME_CHARS - 1), -1, -5)
    ]
    return "".join(chars) + secrets.choice(_DIGITS)


def slug(name: str) -> str:
    """Make a name safe for a folder: lower case, digits, dots and dashes; 48 characters at most."""
    text = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")
    return text[:48].rstrip("-._") or "run"


def split_folder_name(folder_name: str) -> tuple[str, str]:
    """Split ``<name>-<id>`` into name and id; a folder without an id gives its name twice."""
    name, dash, run_id = folder_name.rpartition("-")
    if dash and ID_PATTERN.fullmatch(run_id):
        return name, run_id
    return folder_name, folder_name
