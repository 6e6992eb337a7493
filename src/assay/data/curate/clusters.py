"""Findings that are one case: a trigger and its rows, a text and its copies; it judges nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from assay.data.curate.finding import Finding


@dataclass(frozen=True)
class Cluster:
    """Rows that one rule puts together, by their places, in the order in which they were found.

    `name` is the detector's own where it gives one, else the first place; `evidence` is that of the
    first finding, `marked` what it marks.
    """

    rule: str
    name: str
    evidence: str
    marked: str
    places: tuple[str, ...]


MAX_FINDINGS = 200_000
"""Findings that are put together, the first ones: a million would take half a gigabyte."""


def find_clusters(findings: Iterable[Finding], *, most: int = MAX_FINDINGS) -> list[Cluster]:
    """Clusters of two rows or more among the first `most` findings of such, largest first.

    Findings of one rule belong together where they name the same cluster, or are related to each
    other directly or through others. A cluster without a name is held together by places alone.
    """
    joined = _Joined()
    firsts: dict[str, Finding] = {}
    gathered = (one for one in findings if one.cluster or one.related)
    for one in islice(gathered, most):
        key = f"{one.rule}\n{one.place}"
        firsts.setdefault(key, one)
        joined.add(key)
        if one.cluster:
            joined.join(f"{one.rule}\n\n{one.cluster}", key)
        for place in one.related:
            joined.join(key, f"{one.rule}\n{place}")
    found = [_to_cluster(keys, firsts) for keys in joined.groups()]
    return sorted((one for one in found if len(one.places) > 1), key=lambda one: -len(one.places))


def pick_clusters(clusters: Iterable[Cluster], *, most: int) -> list[Cluster]:
    """Clusters to show, largest first: of each rule its largest, then its next, and so on."""
    turns: dict[str, int] = {}
    ranked: list[tuple[int, int, Cluster]] = []
    for one in clusters:
        turns[one.rule] = turns.get(one.rule, 0) + 1
        ranked.append((turns[one.rule], len(ranked), one))
    picked = [one for *_, one in sorted(ranked, key=lambda entry: entry[:2])[:most]]
    return sorted(picked, key=lambda one: -len(one.places))


def _to_cluster(keys: list[str], firsts: dict[str, Finding]) -> Cluster:
    first = next(firsts[key] for key in keys if key in firsts)
    places = tuple(key.split("\n", 1)[1] for key in keys if "\n\n" not in key)
    marked = first.span.text if first.span else ""
    return Cluster(first.rule, first.cluster or places[0], first.evidence, marked, places)


class _Joined:
    """Sets of keys that are joined pairwise, and keep the order in which they came."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def add(self, key: str) -> None:
        self._above.setdefault(key, key)

    def join(self, a: str, b: str) -> None:
        self.add(a)
        self.add(b)
        self._above[self._top(b)] = self._top(a)

    def _top(self, key: str) -> str:
        while self._above[key] != key:
            self._above[key] = self._above[self._above[key]]
            key = self._above[key]
        return key

    def groups(self) -> Iterable[list[str]]:
        found: dict[str, list[str]] = {}
        for key in self._above:
            found.setdefault(self._top(key), []).append(key)
        return found.values()
