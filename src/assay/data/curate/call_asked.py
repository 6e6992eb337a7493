"""Which extra calls no word asks for, by the words with which their tool is called elsewhere.

Two requests in one turn are two calls as well: there, some word of the prompt is one with which the
second tool is called in other rows (*warm* and a weather tool). Where a call was added to rows of
any kind, no word is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from assay.data.curate.call_counts import Calls

_MAX_JUDGED = 100_000
_MIN_MET = 2
# Of what lies between a tool's share in all rows with calls and all of those with a word. Of calls
# that were asked for, 80 to 94 in 100 have such a word; of added ones 1 to 6 (38 of a set with
# three tools); see docs/data-rules.md.
_MIN_TIE = 0.25

Ints = np.ndarray[Any, np.dtype[np.int64]]
Sketches = Callable[[], Iterable[Mapping[str, np.ndarray]]]


def find_unheard(calls: Calls, sketches: Sketches, *, smallest: int) -> dict[str, set[int]]:
    """Rows, by tool, with a doubtful call that no word of the row asks for.

    Args:
        sketches: what `sketch_calls` kept, as often as it is called.
        smallest: rows that call a tool, for it to be known with which words it is called.

    Of more than 100,000 doubtful calls every n-th is judged.
    """
    tools = [
        tool
        for tool in sorted(calls.doubtful)
        if len(calls.by_tool[tool]) >= smallest and not calls.accompanies(tool)
    ]
    judged = [
        (index, row)
        for index, tool in enumerate(tools)
        for row, beside in calls.doubtful[tool].items()
        # Beside a log of each request, a call is what was asked for.
        if not (beside and calls.accompanies(beside))
    ]
    judged = sorted(judged, key=lambda one: one[::-1])[:: len(judged) // _MAX_JUDGED + 1]
    if not judged:
        return {}
    of_tool = np.array([one[0] for one in judged], np.int64)
    of_row = np.array([one[1] for one in judged], np.int64)
    ties = _Ties(of_tool, of_row, sketches)
    shares = np.array([len(calls.by_tool[tool]) / len(calls.rows) for tool in tools])
    for sketch in sketches():
        ties.count(sketch, {tool: index for index, tool in enumerate(tools)})
    unheard: dict[str, set[int]] = {}
    for place in np.flatnonzero(ties.measure(shares) < _MIN_TIE):
        unheard.setdefault(tools[of_tool[place]], set()).add(int(of_row[place]))
    return unheard


class _Ties:
    """The stems of each judged call's row, and how often they come with calls of its tool."""

    def __init__(self, of_tool: Ints, of_row: Ints, sketches: Sketches) -> None:
        self._of_tool = of_tool
        parts = [_read_heard(sketch, of_row) for sketch in sketches()]
        places = np.concatenate([one[0] for one in parts])
        stems = np.concatenate([one[1] for one in parts])
        self._stems, words = np.unique(stems, return_inverse=True)
        self._calls = places
        self._words = words
        self._codes = self._encode(words, of_tool[places])
        self._known = np.unique(self._codes)
        self._rows = np.zeros(len(self._stems), np.int64)
        self._met = np.zeros(len(self._known), np.int64)

    def _encode(self, words: Ints, tools: Ints) -> Ints:
        return words * np.int64(self._of_tool.max() + 1) + tools

    def count(self, sketch: Mapping[str, np.ndarray], tools: Mapping[str, int]) -> None:
        """Add the rows of one sketch."""
        wanted, words = _look_up(self._stems, sketch["heard"])
        rows = sketch["row"][wanted]
        self._rows += np.bincount(words, minlength=len(self._stems))
        indices = np.array([tools.get(str(name), -1) for name in sketch["names"]], np.int64)
        own = indices[sketch["tool"]] if len(indices) else np.zeros(0, np.int64)
        pairs = np.unique(np.stack([sketch["number"], own])[:, own >= 0], axis=1)
        starts = np.searchsorted(pairs[0], rows, "left")
        counts = np.searchsorted(pairs[0], rows, "right") - starts
        firsts = np.repeat(starts - np.cumsum(counts) + counts, counts)
        called = pairs[1][firsts + np.arange(len(firsts))]
        _, known = _look_up(self._known, self._encode(np.repeat(words, counts), called))
        self._met += np.bincount(known, minlength=len(self._known))

    def measure(self, shares: np.ndarray) -> np.ndarray:
        """The strongest tie of each judged call; its own row does not count."""
        met = self._met[np.searchsorted(self._known, self._codes)] - 1
        rows = np.maximum(self._rows[self._words] - 1, 1)
        usual = shares[self._of_tool[self._calls]]
        ties = np.where(met >= _MIN_MET, (met / rows - usual) / np.maximum(1 - usual, 1e-9), 0.0)
        strongest = np.zeros(len(self._of_tool))
        np.maximum.at(strongest, self._calls, ties)
        return strongest


def _read_heard(sketch: Mapping[str, np.ndarray], of_row: Ints) -> tuple[Ints, np.ndarray]:
    """Of each judged call its place, as often as its row has stems, and these."""
    starts = np.searchsorted(sketch["row"], of_row, "left")
    counts = np.searchsorted(sketch["row"], of_row, "right") - starts
    firsts = np.repeat(starts - np.cumsum(counts) + counts, counts)
    stems = sketch["heard"][firsts + np.arange(len(firsts))]
    return np.repeat(np.arange(len(of_row)), counts), stems


def _look_up(known: np.ndarray, values: np.ndarray) -> tuple[Ints, Ints]:
    """Which of `values` are among the ascending `known`, and where there."""
    places = np.searchsorted(known, values)
    places[places == len(known)] = 0
    found = np.flatnonzero(known[places] == values) if len(known) else np.zeros(0, np.int64)
    return found, places[found]
