"""Where each row came from, in little memory: file, line, id and part by the row's number."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from assay.data.curate.store import PieceMeta, Store
from assay.data.records import ID_LENGTH

PLACE_ARRAYS = ("file_number", "line", "index", "digest", "is_read")
"""Of each piece, a member for each row: the place in `PieceMeta.files`, the line from 1, the index
in a JSON list or -1, the first bytes of the content hash, and whether a record was made of it."""


class Places:
    """Rows in reading order; about 40 bytes each.

    The n-th row of the same content is named like the first with ``-n``, as in
    `assay.data.records.assign_ids`.
    """

    def __init__(self, store: Store, metas: Sequence[PieceMeta]) -> None:
        self._metas = metas
        self._starts = [meta.number for meta in metas]
        loaded = [store.read_arrays(index, PLACE_ARRAYS) for index in range(len(metas))]
        columns = {name: [one[name] for one in loaded] for name in PLACE_ARRAYS}
        joined = {name: np.concatenate(parts) for name, parts in columns.items() if parts}
        self._columns: dict[str, Any] = joined
        self._copies = _count_copies(joined["digest"], joined["is_read"]) if joined else None

    def __len__(self) -> int:
        return len(self._columns["line"]) if self._columns else 0

    def file(self, number: int) -> str:
        """The file of a row, as printed."""
        return str(self._meta(number).files[self._columns["file_number"][number]])

    def part(self, number: int) -> str:
        """train, validation, test or ``suite:NAME``."""
        return self._meta(number).part

    def line(self, number: int) -> int:
        """From 1."""
        return int(self._columns["line"][number])

    def index(self, number: int) -> int | None:
        """The index in a JSON list, or None."""
        index = int(self._columns["index"][number])
        return None if index < 0 else index

    def row(self, number: int) -> str:
        """The row's id, empty where it could not be read."""
        if not self._columns["is_read"][number]:
            return ""
        assert self._copies is not None
        short = f"{int(self._columns['digest'][number]):0{ID_LENGTH}x}"
        copy = int(self._copies[number])
        return short if copy == 1 else f"{short}-{copy}"

    def place(self, number: int) -> str:
        """``file:line``, with the index of a row of a JSON list."""
        index = self.index(number)
        return f"{self.file(number)}:{self.line(number)}" + ("" if index is None else f"[{index}]")

    def _meta(self, number: int) -> PieceMeta:
        return self._metas[bisect_right(self._starts, number) - 1]


def _count_copies(digests: Any, is_read: Any) -> Any:
    """For each row the how many-th of its content it is, from 1; int32."""
    copies = np.ones(len(digests), np.int32)
    rows = np.flatnonzero(is_read)
    order = rows[np.argsort(digests[rows], kind="stable")]
    is_first = np.ones(len(order), bool)
    is_first[1:] = digests[order[1:]] != digests[order[:-1]]
    starts = np.flatnonzero(is_first)
    sizes = np.diff(np.append(starts, len(order)))
    copies[order] = np.arange(len(order)) - np.repeat(starts, sizes) + 1
    return copies
