"""Metadata as OpenAI's objects carry it: at most 16 pairs of short texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import Request
from pydantic import AfterValidator

from assay.serve.texts import is_storable

MOST_PAIRS, MOST_KEY_CHARS, MOST_VALUE_CHARS = 16, 64, 512
_QUERY_KEY = re.compile(r"metadata\[(.+)\]")


def check_metadata(value: dict[str, str] | None) -> dict[str, str] | None:
    """The pairs, unless there are too many or they are too long.

    Raises:
        ValueError: which of it.
    """
    if value is None:
        return None
    if len(value) > MOST_PAIRS:
        raise ValueError(f"{len(value)} pairs, where at most {MOST_PAIRS} are allowed")
    if any(
        len(key) > MOST_KEY_CHARS or len(text) > MOST_VALUE_CHARS for key, text in value.items()
    ):
        told = f"keys of at most {MOST_KEY_CHARS} characters, values of at most {MOST_VALUE_CHARS}"
        raise ValueError(told)
    if not is_storable(value):
        raise ValueError("a text holds a NUL, or half of a surrogate pair")
    return value


Metadata = Annotated[dict[str, str] | None, AfterValidator(check_metadata)]


def read_metadata_query(request: Request) -> Mapping[str, str]:
    """The pairs of ``metadata[key]=value`` in a query."""
    found = ((_QUERY_KEY.fullmatch(key), value) for key, value in request.query_params.items())
    return {match[1]: value for match, value in found if match is not None}
