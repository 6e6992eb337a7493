"""Whether values of calls and of JSON answers differ in what they mean; it knows no answer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from assay.data.curate.finding import shorten

MAX_LABEL_CHARS = 48


def oppose(one: str | None, other: str | None) -> str:
    """Two things that cannot both be right, in words."""
    return f"{one!r} against {other!r}"


def compare_calls(
    calls: Sequence[tuple[str, Any]], others: Sequence[tuple[str, Any]]
) -> str | None:
    """How two answers' calls (name and arguments) differ, in words, or None."""
    names, other_names = ([name for name, _ in own] for own in (calls, others))
    if names != other_names:
        told = [f"calls {', '.join(own)}" if own else "no call" for own in (names, other_names)]
        return f"{told[0]} against {told[1]}"
    for (name, arguments), (_, own) in zip(calls, others, strict=True):
        told_value = compare_values(arguments, own, name)
        if told_value:
            return told_value
    return None


def compare_values(one: Any, other: Any, path: str) -> str | None:
    """The first value that both have and that differs; free text and what one leaves out do not."""
    if isinstance(one, dict) and isinstance(other, dict):
        shared = (key for key in sorted(one) if key in other)
        told = (compare_values(one[key], other[key], f"{path}.{key}".strip(".")) for key in shared)
        return next(filter(None, told), None)
    if isinstance(one, list) and isinstance(other, list):
        own, others = (sorted(json.dumps(item, sort_keys=True) for item in v) for v in (one, other))
        return None if own == others else f"{path} {oppose(_show(one), _show(other))}"
    if isinstance(one, str) and isinstance(other, str):
        short, long = sorted((squeeze(one), squeeze(other)), key=len)
        is_free = max(len(one), len(other)) > MAX_LABEL_CHARS or (short and short in long)
        return None if is_free or short == long else f"{path} {oppose(one, other)}"
    if one is None or other is None or str(one).lower() == str(other).lower():
        return None
    numbers = [to_number(str(value)) for value in (one, other)]
    is_equal = numbers[0] is not None and numbers[0] == numbers[1]
    return None if is_equal else f"{path} {oppose(_show(one), _show(other))}"


def _show(value: Any) -> str:
    return shorten(json.dumps(value, ensure_ascii=False), limit=60)


def squeeze(text: str) -> str:
    """Its letters and digits alone, in lower case."""
    return re.sub(r"\W+", "", text.lower())


def to_number(text: str) -> float | None:
    """The number that a text spells, with a currency's sign or commas in it or without."""
    try:
        return float(text.strip("$€£ -").replace(",", "")) * (-1 if "-" in text else 1)
    except ValueError:
        return None
