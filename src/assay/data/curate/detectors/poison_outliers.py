"""Rows whose hidden states stand apart from those of the same label or tool; it asks the base."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.data.curate.detector import Detector, Evidence, Given
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.settings import Settings
from assay.data.records import Record

REPRESENTATION_OUTLIER = Rule(
    "representation_outlier",
    "poison",
    "warning",
    "keep",
    "A small cluster, in the base's hidden states, of the rows with one label or tool: rows that "
    "share an answer and not the reason for it.",
    options={"min_rows": 10, "max_share": 0.15, "min_gap": 5.0, "max_rows": 20_000},
    needs=("embed",),
)
_MIN_GROUP = 50
_MAX_LABEL_WORDS = 3
_DIMS = 128
_DIRECTIONS = 3
_NUM_RELATED = 5
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass
class Group:
    """Rows of one label or tool: their numbers, and their hidden states in 128 dimensions."""

    numbers: list[int] = field(default_factory=list)
    states: list[Floats] = field(default_factory=list)


def find_outliers(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Spectral signatures (Tran et al., 2018) and clusters of activations (Chen et al., 2018).

    Along each of the three directions in which the rows of a group differ most, they are split in
    two where the parts are tightest (Otsu, 1979); a small part far from the rest is told.
    """
    name = REPRESENTATION_OUTLIER.name
    told: set[int] = set()
    for label, group in sorted(_gather(evidence, settings).items()):
        if len(group.numbers) < _MIN_GROUP:
            continue
        for rows, gap in find_clusters(np.stack(group.states), settings):
            numbers = [group.numbers[row] for row in rows]
            what = (
                f"{len(numbers):,} of {len(group.numbers):,} rows with {label} stand {gap:.1f} "
                f"standard deviations apart from the others in the base's hidden states"
            )
            for number in [one for one in numbers if one not in told]:
                related = tuple(one for one in numbers[: _NUM_RELATED + 1] if one != number)
                related = related[:_NUM_RELATED]
                yield Hit(number, name, what, related=related, cluster=f"{name} {label}")
            told.update(numbers)


def find_clusters(states: Floats, settings: Settings) -> Iterator[tuple[list[int], float]]:
    """Small clusters of a group, and how far each is from the rest.

    Args:
        states: shape (rows, dimensions).
    """
    name = REPRESENTATION_OUTLIER.name
    smallest = int(settings.option(name, "min_rows"))
    largest = float(settings.option(name, "max_share")) * len(states)
    least = float(settings.option(name, "min_gap"))
    centred = states - states.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    for direction in directions[:_DIRECTIONS]:
        values = centred @ direction
        order = np.argsort(values, kind="stable")
        cut = _split(values[order])
        small = order[:cut] if cut * 2 <= len(order) else order[cut:]
        rest = np.setdiff1d(order, small)
        if not smallest <= len(small) <= largest:
            continue
        spread = np.sqrt((values[small].var() + values[rest].var()) / 2)
        gap = float(abs(values[small].mean() - values[rest].mean()) / max(spread, 1e-9))
        if gap >= least:
            yield sorted(small.tolist()), gap


def _split(ordered: Floats) -> int:
    """Where the variance between the two parts of sorted values is greatest (Otsu)."""
    counts = np.arange(1, len(ordered))
    sums = np.cumsum(ordered)[:-1]
    rest = len(ordered) - counts
    apart = sums / counts - (ordered.sum() - sums) / rest
    return int(np.argmax(counts * rest * apart**2)) + 1


def _gather(evidence: Evidence, settings: Settings) -> dict[str, Group]:
    """Every n-th row that has a label, so that at most `max_rows` are asked of the base."""
    assert evidence.given.embed is not None
    most = int(settings.option(REPRESENTATION_OUTLIER.name, "max_rows"))
    step = max(1, -(-evidence.num_rows // most))
    groups: dict[str, Group] = defaultdict(Group)
    seen = 0
    for batch in evidence.batches():
        rows = [row for row in batch.rows if row.part == "train"]
        labels = [read_label(row.record) for row in rows]
        chosen = []
        for row, label in zip(rows, labels, strict=True):
            seen += bool(label)
            if label and seen % step == 0:
                chosen.append((row, label))
        if chosen:
            states = _project(evidence.given.embed([row.record for row, _ in chosen]))
            for (row, label), state in zip(chosen, states, strict=True):
                groups[label].numbers.append(row.number)
                groups[label].states.append(state)
    return groups


def read_label(record: Record) -> str:
    """The first tool that a row calls, or an answer of at most three words; else nothing."""
    for message in record.messages:
        for call in message.get("tool_calls", ()):
            return f"a call of {call['function']['name']}"
    answer = str(record.messages[-1].get("content") or "") if record.messages else ""
    words = answer.split()
    is_label = record.kind != "text" and 0 < len(words) <= _MAX_LABEL_WORDS
    return f"the answer {' '.join(words)!r}" if is_label and len(answer) <= 60 else ""


def _project(states: Floats) -> Floats:
    """Random directions of unit variance keep distances (Johnson and Lindenstrauss, 1984)."""
    if states.shape[1] <= _DIMS:
        return np.asarray(states, np.float64)
    generator = np.random.default_rng(0)
    shape = (states.shape[1], _DIMS)
    return np.asarray(states @ generator.standard_normal(shape) / np.sqrt(_DIMS), np.float64)


def _needs_base(given: Given, settings: Settings) -> str | None:
    return "no base is named (--base)" if given.embed is None else None


DETECTORS = (
    Detector("outliers", (REPRESENTATION_OUTLIER,), conclude=find_outliers, is_ready=_needs_base),
)
