"""The work folder of a check: what each piece's scan left, so that nothing of it is done twice.

Three files a piece, and a fourth, written last, that says what they are of and how large they are:
a piece that was cut off has none, and is made anew. Arrays are plain NumPy files, rows and hits
JSON lines: nothing that is loaded runs code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from assay.data.curate.finding import Hit
from assay.runs.atomic import disk_full_named

Arrays = Mapping[str, Any]
_CONTENTS = ("rows", "hits", "npz")


@dataclass(frozen=True)
class PieceMeta:
    """One piece as its last file describes it; the array ``file_number`` points into `files`."""

    key: str
    part: str
    number: int
    num_rows: int
    num_records: int
    files: list[str]
    sizes: list[int]


@dataclass(frozen=True)
class Store:
    """Pieces by their index under `folder`, which is the user's alone."""

    folder: Path

    def is_done(self, index: int, key: str) -> bool:
        """Whether the piece was scanned, by what decides it, and lies there whole."""
        meta = self._find_meta(index)
        if meta is None or meta.key != key:
            return False
        sizes = [_size(self._path(index, ending)) for ending in _CONTENTS]
        return sizes == meta.sizes

    def write(
        self, index: int, meta: PieceMeta, *, rows: bytes, hits: Iterable[Hit], arrays: Arrays
    ) -> None:
        """Keep a piece.

        Raises:
            ResourceError: the disk is full.
            TypeError: an array of Python objects, which could only be kept as a program.
        """
        packed = BytesIO()
        plain: dict[str, Any] = {name: np.asarray(one) for name, one in arrays.items()}
        for name, one in plain.items():
            if one.dtype.hasobject:
                raise TypeError(f"{name}: a sketch is numbers, not Python objects")
        np.savez(packed, **plain)
        contents = (rows, encode_hits(hits), packed.getvalue())
        with disk_full_named(self.folder):
            self._path(index, "").parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            for ending, content in zip(_CONTENTS, contents, strict=True):
                self._path(index, ending).write_bytes(content)
            known = {**meta.__dict__, "sizes": [len(content) for content in contents]}
            scratch = self._path(index, f"{os.getpid()}.tmp")
            scratch.write_text(json.dumps(known), encoding="utf-8")
            os.replace(scratch, self._path(index, "json"))

    def read_meta(self, index: int) -> PieceMeta:
        """What `write` was told of a piece."""
        meta = self._find_meta(index)
        assert meta is not None
        return meta

    def read_hits(self, index: int) -> list[Hit]:
        """Hits of single rows, in order."""
        return decode_hits(self._path(index, "hits").read_bytes())

    def read_arrays(self, index: int, names: Sequence[str] | None = None) -> dict[str, Any]:
        """Arrays of a piece by their names; by default all."""
        with np.load(self._path(index, "npz"), allow_pickle=False) as packed:
            return {name: packed[name] for name in names or packed.files}

    def list_arrays(self, index: int) -> list[str]:
        """Names of a piece's arrays."""
        with np.load(self._path(index, "npz"), allow_pickle=False) as packed:
            return list(packed.files)

    def read_lines(self, index: int) -> list[bytes]:
        """The line of every row that could be read, as `encode_record` made it."""
        with self._path(index, "rows").open("rb") as stream:
            return stream.readlines()

    def read_some(self, index: int, spans: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """Single lines of a piece: each from one byte offset to another."""
        with self._path(index, "rows").open("rb") as stream:
            for start, end in spans:
                stream.seek(start)
                yield stream.read(end - start)

    def _find_meta(self, index: int) -> PieceMeta | None:
        try:
            return PieceMeta(**json.loads(self._path(index, "json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # not there, cut off, of another version
            return None

    def _path(self, index: int, ending: str) -> Path:
        # A thousand pieces a folder: some file systems slow down with many more.
        return self.folder / "pieces" / f"{index // 1_000:03}" / f"{index:06}.{ending}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def encode_hits(hits: Iterable[Hit]) -> bytes:
    """Hits as JSON lines."""
    return b"".join(json.dumps(hit.to_json()).encode("ascii") + b"\n" for hit in hits)


def decode_hits(content: bytes) -> list[Hit]:
    """What `encode_hits` wrote."""
    return [Hit.from_json(json.loads(line)) for line in content.splitlines()]
