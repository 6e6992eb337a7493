"""Near duplicates that are joined by chains as one cluster; it compares no rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

Pair = tuple[int, int]


class Likeness(NamedTuple):
    """How alike two rows are, from 0 to 1, and whether a frame of both was left out."""

    share: float
    has_frame: bool


class Partner(NamedTuple):
    """A row that another one was found alike to."""

    row: int
    likeness: Likeness


@dataclass
class NearClusters:
    """Rows that are joined, as a forest whose roots are the first rows.

    `partners` holds, for each row that was joined, one that it was found alike to.
    """

    parents: dict[int, int] = field(default_factory=dict)
    partners: dict[int, Partner] = field(default_factory=dict)

    def root(self, row: int) -> int:
        """The first row of the cluster."""
        while (parent := self.parents.get(row, row)) != row:
            self.parents[row] = self.parents.get(parent, parent)
            row = parent
        return row

    def list_open(self, pairs: Iterable[Pair]) -> list[Pair]:
        """The pairs whose rows are not joined yet."""
        return [(one, two) for one, two in pairs if self.root(one) != self.root(two)]

    def join(self, first: int, second: int, likeness: Likeness) -> None:
        """Make one cluster of two; an earlier partner tells more of a row than a later one."""
        low, high = sorted((self.root(first), self.root(second)))
        self.parents[high] = low
        for row, other in ((first, second), (second, first)):
            known = self.partners.get(row)
            if known is None or known.row > row > other:
                self.partners[row] = Partner(other, likeness)

    def list_later(self) -> list[tuple[int, int, Partner]]:
        """Each row but the first of its cluster, in order: the row, the first one, its partner."""
        rows = sorted(self.parents)
        return [(row, root, self.partners[row]) for row in rows if (root := self.root(row)) != row]
