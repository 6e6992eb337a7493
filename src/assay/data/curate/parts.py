"""Opens the files to check, part by part, as pieces that are read elsewhere or as they stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from assay.data.curate.detector import Given
from assay.data.curate.fingerprints import ENDING
from assay.data.curate.pieces import Piece, cut_block, cut_rows
from assay.data.curate.reading import Reading, ReadRow
from assay.data.lines import LineBlock
from assay.data.records import Row
from assay.data.shapes import SAMPLE_ROWS, check_mapping, recognise_shape
from assay.data.sources import open_source
from assay.errors import DataError, Problem

if TYPE_CHECKING:
    from assay.config import SourceConfig

__all__ = ["Parts", "ReadRow", "add_parts", "cut_parts", "read_parts"]

Parts = Mapping[str, Sequence["SourceConfig"]]
MAX_BAD = 3
"""Bad rows that are told of a source none of whose first rows can be read."""


def read_parts(
    parts: Parts, *, base_dir: Path, system: str | None = None, group_by: str | None = None
) -> Iterator[ReadRow]:
    """Every row of every source, in the order of the parts. Raises as `cut_parts`."""
    for piece in cut_parts(parts, base_dir=base_dir, system=system, group_by=group_by):
        yield from piece.read()


def add_parts(given: Given | None, parts: Parts, *, base_dir: Path) -> Given:
    """What a model can tell, and which parts and fingerprints are at hand."""
    fingerprints = {
        f"{part.removeprefix('suite:')} ({Path(source.path).name})": base_dir / source.path
        for part, sources in parts.items()
        for source in sources
        if is_fingerprint(source, part)
    }
    given = given or Given()
    return replace(given, parts=tuple(parts), fingerprints={**given.fingerprints, **fingerprints})


def is_fingerprint(source: SourceConfig, part: str) -> bool:
    """Whether a source is a suite's file of `assay data fingerprint`, which has no rows."""
    return part.startswith("suite:") and source.path.endswith(ENDING)


def cut_parts(
    parts: Parts, *, base_dir: Path, system: str | None = None, group_by: str | None = None
) -> Iterator[Piece]:
    """Every row of every source, in the order of the parts, a piece at a time.

    Raises:
        DataError: sources that are not there or whose shape cannot be told, all of them, before
            the first piece; after the last one, those whose rest could not be read.
    """
    problems: list[Problem] = []
    begun: list[_Begun] = []
    for part, sources in parts.items():
        for source in sources:
            if is_fingerprint(source, part):
                continue
            with _gathered(problems):
                begun.append(_begin(source, part, base_dir, system, group_by))
    if problems:
        raise DataError(list(dict.fromkeys(problems)))
    for one in begun:
        with _gathered(problems):
            yield from one.cut()
    if problems:
        raise DataError(problems)


@contextmanager
def _gathered(problems: list[Problem]) -> Iterator[None]:
    """Adds what is wrong with one source, so that the others have their say."""
    try:
        yield
    except DataError as error:
        problems += error.problems


@dataclass(frozen=True)
class _Begun:
    """A source whose first rows were looked at; `rows` are all of them, unless it has `blocks`."""

    part: str
    reading: Reading
    rows: Iterator[Row | Problem]
    blocks: Iterator[tuple[str, LineBlock]] | None

    def cut(self) -> Iterator[Piece]:
        if self.blocks is None:
            yield from cut_rows(self.reading.convert(row, self.part) for row in self.rows)
            return
        for file, block in self.blocks:
            yield cut_block(block, self.reading, part=self.part, file=file)


def _begin(
    source: SourceConfig, part: str, base_dir: Path, system: str | None, group_by: str | None
) -> _Begun:
    opened = open_source(source, base_dir=base_dir)
    rows = islice(opened.rows, source.limit)
    head = list(islice(rows, SAMPLE_ROWS))
    reading = Reading(
        _recognise(source, head, opened.files[0]),
        columns=source.columns,
        system=system,
        group_by=group_by,
        source=source.path,
        weight=source.weight,
        role=source.role,
        provenance=source.provenance,
    )
    if opened.blocks is None or source.limit is not None:
        return _Begun(part, reading, chain(head, rows), None)
    return _Begun(part, reading, iter(()), opened.blocks)


def _recognise(source: SourceConfig, head: list[Row | Problem], file: str) -> str:
    problems = check_mapping(source.columns, file=source.path, shape=source.format)
    sample = [row for row in head if isinstance(row, Row)]
    if not sample:
        empty = Problem("no rows", "at least one row", "name a file with rows", file=file)
        problems += [row for row in head if isinstance(row, Problem)][:MAX_BAD] or [empty]
    if problems:
        raise DataError(problems)
    shape = recognise_shape(sample, columns=source.columns, file=file, named=source.format)
    if isinstance(shape, Problem):
        raise DataError(shape)
    return shape
