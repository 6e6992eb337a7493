"""Compares the calls that a model made with the calls expected; it knows no schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.tools.calls import ToolCall


@dataclass(frozen=True)
class CallMatch:
    """`names`: the same tools were called, each as often. `arguments`: with the same arguments."""

    names: bool
    arguments: bool


def match_calls(
    expected: Sequence[ToolCall], actual: Sequence[ToolCall], *, ordered: bool = False
) -> CallMatch:
    """Whether `actual` are the calls `expected`.

    Numbers compare by value (1 equals 1.0, but not true), texts exactly once stripped, lists in
    order, objects by keys in any order. A missing argument differs from null.

    Args:
        expected: the right calls.
        actual: the model's calls.
        ordered: whether the order of the calls counts; parallel calls have none.
    """
    names = _same([c.name for c in expected], [c.name for c in actual], ordered=ordered)
    full = _same(
        [(c.name, canonical(c.arguments)) for c in expected],
        [(c.name, canonical(c.arguments)) for c in actual],
        ordered=ordered,
    )
    return CallMatch(names=names, arguments=full)


def canonical(value: Any) -> Hashable:
    """A hashable form of a JSON value, equal where two values count as the same argument."""
    if isinstance(value, Mapping):
        items = ((str(key), canonical(item)) for key, item in value.items())
        return ("object", tuple(sorted(items, key=lambda item: item[0])))
    if isinstance(value, list | tuple):
        return ("list", tuple(canonical(item) for item in value))
    if isinstance(value, bool):
        return ("truth", value)
    if isinstance(value, int | float):
        return ("number", value)
    if isinstance(value, str):
        return ("text", value.strip())
    return ("null", None) if value is None else (type(value).__name__, str(value))


def _same(expected: Sequence[Hashable], actual: Sequence[Hashable], *, ordered: bool) -> bool:
    if ordered:
        return list(expected) == list(actual)
    return Counter(expected) == Counter(actual)
