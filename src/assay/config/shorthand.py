"""The short forms a recipe allows (`base: tiny` for `base: {name: tiny}`); it checks no values.

One table, used both when a file is read (so that line numbers survive) and when a section is built
from Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BLOCK_KEY = {
    "base": "name",
    "method": "type",
    "objective": "type",
    "gates": "policy",
    "defend": "preset",
    "data.train.*": "path",
    "data.validation.*": "path",
    "data.test.*": "path",
    "evaluate.suites.*": "path",
}
"""Where a lone string stands for a block: the block's key that it fills."""

LIST_KEYS = frozenset(
    {
        "data.train",
        "data.validation",
        "data.test",
        "defend.inoculation",
        "evaluate.suites",
        "trackers",
    }
)
"""Where one entry stands for a list of one."""


def expand_block(place: str) -> Callable[[Any], Any]:
    """A function that turns the string short form at `place` into its block."""

    def expand(value: Any) -> Any:
        return {BLOCK_KEY[place]: value} if isinstance(value, str) else value

    return expand


def expand_list(value: Any) -> Any:
    """A list of one where a single string or block was written."""
    return [value] if isinstance(value, (str, dict)) else value
