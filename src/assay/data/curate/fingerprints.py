"""Suites that nobody can read: what is looked up of their rows, as numbers in a file.

A hash of eight words can be undone only by who guesses all eight; still, whoever has the file can
tell whether a given text is in the suite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from assay.data.curate.bands import BandPlan, compute_bands
from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Sketch
from assay.data.curate.leak_prints import RowPrint, print_rows
from assay.data.curate.leak_rules import RULES
from assay.data.curate.marks import Marks, join_marks, sketch_marks
from assay.data.curate.pieces import Piece, number_pieces
from assay.data.curate.settings import resolve_settings
from assay.errors import DataError, Problem
from assay.runs.atomic import write_bytes

ENDING = ".npz"


@dataclass(frozen=True)
class Fingerprint:
    """A suite that nobody can read: `assay data fingerprint` made it.

    `flat` holds the members of each `RowPrint`, one row after another, and where each row begins.
    """

    name: str
    marks: Mapping[str, Any]
    flat: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.marks["digest"])

    def get_print(self, row: int) -> RowPrint:
        """One row as numbers."""
        sets = {
            name: self.flat[name][slice(*self.flat[f"{name}_start"][row : row + 2])]
            for name in _SETS
        }
        return RowPrint(**sets, num_words=int(self.marks["num_words"][row]))


VERSION = 1
# Bands depend on the threshold that a check is asked for, so they are made when it is known.
_MARKS = tuple(field.name for field in fields(Marks) if "bands" not in field.name)
_SETS = ("asked", "copied", "question")


def write_fingerprint(path: Path, sketches: Sequence[Sketch], prints: Sequence[RowPrint]) -> None:
    """Keep rows as numbers; `path` is replaced in one piece."""
    marks = join_marks(sketches)
    arrays: dict[str, Any] = {name: getattr(marks, name) for name in _MARKS}
    for name in _SETS:
        own = [getattr(one, name) for one in prints]
        arrays[name] = np.concatenate([np.empty(0, np.uint64), *own])
        arrays[f"{name}_start"] = np.append(0, np.cumsum([len(one) for one in own])).astype(int)
    packed = BytesIO()
    np.savez_compressed(packed, version=np.array(VERSION), **arrays)
    write_bytes(path, packed.getvalue())


def read_fingerprint(name: str, path: Path, plan: BandPlan) -> Fingerprint:
    """What `write_fingerprint` wrote, with the bands of `plan`.

    Raises:
        DataError: not such a file, or of another version.
    """
    flat_names = [one for name in _SETS for one in (name, f"{name}_start")]
    try:
        with np.load(path, allow_pickle=False) as packed:
            version = int(packed["version"])
            arrays = {one: packed[one] for one in (*_MARKS, *flat_names)}
    except (OSError, ValueError, KeyError) as error:
        do = "make it anew: assay data fingerprint FILE --out F.npz"
        problem = Problem(f"no fingerprint: {error}", "a file of fingerprints", do, str(path))
        raise DataError(problem) from error
    if version != VERSION:
        do = "make it anew: assay data fingerprint FILE --out F.npz"
        raise DataError(Problem(f"version {version}", f"version {VERSION}", do, str(path)))
    starts = arrays["asked_start"]
    marks = {name: arrays[name] for name in _MARKS}
    marks["has_bands"] = np.diff(starts) > 0
    marks["bands"] = compute_bands(arrays["asked"], starts, plan)
    return Fingerprint(name, marks, {name: arrays[name] for name in flat_names})


def make_fingerprint(pieces: Iterable[Piece], path: Path) -> int:
    """Write the fingerprint of all rows, and return how many there are.

    Raises:
        DataError: rows that cannot be read: what is not in the file will not be looked for.
    """
    settings = resolve_settings(RULES)
    sketches: list[Sketch] = []
    prints: list[RowPrint] = []
    problems: list[Problem] = []
    for piece in number_pieces(pieces):
        rows: list[CheckedRow] = []
        for read in piece.read():
            problems += read.problems
            if read.record is not None:
                rows.append(CheckedRow(piece.number + len(rows), piece.part, read.record))
        sketches.append(sketch_marks(Batch(rows), settings))
        prints += print_rows(rows)
    if problems:
        raise DataError(problems)
    write_fingerprint(path, sketches, prints)
    return len(prints)
