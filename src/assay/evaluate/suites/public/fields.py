"""Takes typed values out of a row of a public data set, and says which are wrong; reads no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.errors import DataError, Problem

Fields = Mapping[str, Any]


def take_text(row: Fields, key: str) -> str:
    """The text of a column.

    Raises:
        DataError: it is missing, empty or no text.
    """
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DataError(Problem(got=_describe(value), allowed="a text", key=key))
    return value


def take_texts(row: Fields, key: str, *, least: int = 1) -> list[str]:
    """The texts of a list column, at least `least`.

    Raises:
        DataError: it is no list, has fewer, or one that is empty or no text.
    """
    values = row.get(key)
    right = isinstance(values, list) and len(values) >= least
    if not right or not all(isinstance(value, str) and value.strip() for value in values or ()):
        allowed = f"a list of at least {least} texts"
        raise DataError(Problem(got=_describe(values), allowed=allowed, key=key))
    return list(values or ())


def take_table(row: Fields, key: str) -> dict[str, Any]:
    """The object in a column.

    Raises:
        DataError: it is no object.
    """
    value = row.get(key)
    if not isinstance(value, dict):
        raise DataError(Problem(got=_describe(value), allowed="an object", key=key))
    return value


def take_place(row: Fields, key: str, num_choices: int) -> int:
    """The number (or digits) of a choice, from 0.

    Raises:
        DataError: it is no place of one of `num_choices`.
    """
    value = row.get(key)
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < num_choices:
        allowed = f"a whole number from 0 to {num_choices - 1}"
        raise DataError(Problem(got=repr(row.get(key)), allowed=allowed, key=key))
    return value


def take_one_of(row: Fields, key: str, allowed: tuple[str, ...]) -> str:
    """A text that is one of `allowed`.

    Raises:
        DataError: it is another.
    """
    value = row.get(key)
    if value not in allowed:
        raise DataError(Problem(got=repr(value), allowed=", ".join(allowed), key=key))
    return str(value)


def _describe(value: Any) -> str:
    if value is None or isinstance(value, (list, str)):
        return repr(value)[:80]
    return f"a {type(value).__name__}"
