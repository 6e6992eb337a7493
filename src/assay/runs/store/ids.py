"""Ids of stored things: a prefix that says what it is, and chance."""

from __future__ import annotations

import secrets

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LENGTH = 24


def new_id(prefix: str, length: int = _LENGTH) -> str:
    """`prefix` and `length` characters of chance (24 of them: 124 bits)."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(length))
