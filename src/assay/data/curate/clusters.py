"""Findings that are one case: a trigger and its rows, a text and its copies; it judges nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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


def find_clusters(findings: Iterable[Finding]) -> list[Cluster]:
    """Clusters of two rows or more, largest first.

    Findings of one rule belong together where they name the same cluster, or are related to each
    other directly or through others. A cluster without a name is held together by places alone.
    """
    joined = _Joined()
    firsts: dict[str, Finding] = {}
    for one in findings:
        if not one.cluster and not one.related:
            continue
        key = f"{one.rule}\n{one.place}"
        firsts.setdefault(key, one)
        joined.add(key)
        if one.cluster:
            joined.join(f"{one.rule}\n\n{one.cluster}", key)
        for place in one.related:
            joined.join(key, f"{one.rule}\n{place}")
    found = [_to_cluster(keys, firsts) for keys in joined.groups()]
    return sorted((one for one in found if len(one.places) > 1), key=lambda one: -len(one.places))


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
