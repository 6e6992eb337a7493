"""The first pass over one piece: read it, look at its rows, and keep what later passes need.

It does the same in this process and in another, and knows no other piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Detector
from assay.data.curate.detectors.reading import name_problem
from assay.data.curate.finding import Hit
from assay.data.curate.pieces import Piece
from assay.data.curate.reading import ReadRow
from assay.data.curate.settings import Settings
from assay.data.curate.store import PieceMeta, Store
from assay.data.curate.stored_rows import encode_record
from assay.errors import Problem


def scan_piece(
    piece: Piece, key: str, *, detectors: Sequence[Detector], settings: Settings, store: Store
) -> None:
    """Keep under `key` the piece's rows, places, hits and sketches.

    Raises:
        DataError: the rest of the piece's file cannot be read.
        ResourceError: the disk is full.
    """
    taken = _Taken(piece)
    for read in piece.read():
        taken.add(read)
    batch = Batch(taken.rows)
    arrays = taken.build_arrays()
    hits = taken.hits
    for detector in detectors:
        if detector.scan is not None:
            hits += detector.scan(batch, settings)
        if detector.sketch is not None:
            sketch = detector.sketch(batch, settings)
            arrays |= {name_array(detector, name): one for name, one in sketch.items()}
    hits.sort(key=lambda hit: hit.number)
    meta = PieceMeta(key, piece.part, piece.number, piece.num_rows, len(taken.rows), [], [])
    meta.files.extend(taken.files)
    store.write(piece.index, meta, rows=b"".join(taken.lines), hits=hits, arrays=arrays)


def name_array(detector: Detector, name: str) -> str:
    """The name under which an array of a detector's sketch is kept."""
    return f"{detector.name}.{name}"


class _Taken:
    """What reading a piece gathers, row by row."""

    def __init__(self, piece: Piece) -> None:
        self.rows: list[CheckedRow] = []
        self.lines: list[bytes] = []
        self.hits: list[Hit] = []
        self.files: dict[str, int] = {}
        self._piece = piece
        self._places: list[tuple[int, int, int]] = []
        self._digests: list[bytes] = []
        self._is_read: list[bool] = []

    def add(self, read: ReadRow) -> None:
        number = self._piece.number + len(self._places)
        file = self.files.setdefault(read.file, len(self.files))
        self._places.append((file, read.line, -1 if read.index is None else read.index))
        self._is_read.append(read.record is not None)
        if read.record is None:
            self.hits += [Hit(number, name_problem(one), _tell(one)) for one in read.problems]
            return
        line, digest = encode_record(read.record)
        self.lines.append(line)
        self._digests.append(digest)
        self.rows.append(CheckedRow(number, self._piece.part, read.record))

    def build_arrays(self) -> dict[str, Any]:
        """The arrays of places (`PLACE_ARRAYS`), and ``end``: where each line of a record ends."""
        places = np.array(self._places, np.int64).reshape(-1, 3)
        is_read = np.array(self._is_read, bool)
        digests = np.zeros(len(places), np.uint64)
        digests[is_read] = np.frombuffer(b"".join(self._digests), ">u8")
        return {
            "file_number": places[:, 0].astype(np.int32),
            "line": places[:, 1],
            "index": places[:, 2],
            "digest": digests,
            "is_read": is_read,
            "end": np.cumsum([len(line) for line in self.lines], dtype=np.int64),
        }


def _tell(problem: Problem) -> str:
    key = f"{problem.key}: " if problem.key else ""
    allowed = f", allowed {problem.allowed}" if problem.allowed else ""
    return f"{key}got {problem.got}{allowed}"
