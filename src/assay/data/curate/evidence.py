"""What the first pass kept, as a detector sees it when it concludes; it holds no row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Detector, Given, Sketch
from assay.data.curate.places import Places
from assay.data.curate.scan import name_array
from assay.data.curate.store import PieceMeta, Store
from assay.data.curate.stored_rows import decode_record

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Kept:
    """All that was kept of all pieces."""

    store: Store
    metas: Sequence[PieceMeta]

    @cached_property
    def places(self) -> Places:
        """Where each row came from."""
        return Places(self.store, self.metas)

    @cached_property
    def starts(self) -> Numbers:
        """The number of each piece's first row."""
        return np.array([meta.number for meta in self.metas], np.int64)

    @cached_property
    def records(self) -> list[tuple[Numbers, Numbers]]:
        """For each piece the numbers of its records, and where the line of each ends."""
        found = []
        for index, meta in enumerate(self.metas):
            arrays = self.store.read_arrays(index, ["is_read", "end"])
            found.append((np.flatnonzero(arrays["is_read"]) + meta.number, arrays["end"]))
        return found

    def count_rows(self) -> dict[str, int]:
        """Rows of each part, those that cannot be read too."""
        counts: Counter[str] = Counter()
        for meta in self.metas:
            counts[meta.part] += meta.num_rows
        return dict(counts)


@dataclass(frozen=True)
class StoredEvidence:
    """`Evidence` for one detector; it reads a piece at a time."""

    kept: Kept
    detector: Detector
    given: Given

    @property
    def num_rows(self) -> int:
        """Rows that could be read."""
        return sum(meta.num_records for meta in self.kept.metas)

    def sketches(self) -> Iterator[Sketch]:
        """The detector's own sketches, in the order of the rows."""
        store, prefix = self.kept.store, name_array(self.detector, "")
        for index in range(len(self.kept.metas)):
            names = [name for name in store.list_arrays(index) if name.startswith(prefix)]
            arrays = store.read_arrays(index, names)
            yield {name.removeprefix(prefix): one for name, one in arrays.items()}

    def batches(self) -> Iterator[Batch]:
        """All rows again, in order."""
        for index, meta in enumerate(self.kept.metas):
            numbers, _ = self.kept.records[index]
            lines = self.kept.store.read_lines(index)
            yield Batch(
                [
                    CheckedRow(number, meta.part, decode_record(line))
                    for number, line in zip(numbers.tolist(), lines, strict=True)
                ]
            )

    def rows(self, numbers: Iterable[int]) -> dict[int, CheckedRow]:
        """Single rows again, by number; none for a row that could not be read."""
        wanted = np.unique(np.fromiter(numbers, np.int64))
        pieces = np.searchsorted(self.kept.starts, wanted, side="right") - 1
        found: dict[int, CheckedRow] = {}
        for index in np.unique(pieces).tolist():
            found |= self._read(index, wanted[pieces == index])
        return found

    def place(self, number: int) -> str:
        """``file:line`` of a row."""
        return self.kept.places.place(number)

    def _read(self, index: int, wanted: Numbers) -> dict[int, CheckedRow]:
        own, ends = self.kept.records[index]
        _, positions, _ = np.intersect1d(own, wanted, assume_unique=True, return_indices=True)
        spans = [(int(ends[one - 1]) if one else 0, int(ends[one])) for one in positions]
        part = self.kept.metas[index].part
        lines = self.kept.store.read_some(index, spans)
        return {
            number: CheckedRow(number, part, decode_record(line))
            for number, line in zip(own[positions].tolist(), lines, strict=True)
        }
