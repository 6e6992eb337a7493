"""A metric of one's own: whether an answer ends in the right number. It reads no reasoning."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def same_number(output: str, reference: str, item: dict[str, Any]) -> bool:
    """Whether the number after the last ``####`` of both texts is the same.

    An output without the mark is judged by its last number, so that a base that was never shown
    the mark is not wrong for that alone.
    """
    return find_number(output) == find_number(reference) is not None


def find_number(text: str) -> Decimal | None:
    """The first number after the last ``####``, else the last number; None where there is none."""
    _, mark, after = text.rpartition("####")
    numbers = _NUMBER.findall(after)
    if not numbers:
        return None
    return Decimal(numbers[0 if mark else -1].replace(",", ""))
