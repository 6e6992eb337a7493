"""Opens the files to check, part by part, as records or problems; a file is read as it streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from assay.data.convert import convert_row
from assay.data.records import Record, Row, RowCheck
from assay.data.shapes import SAMPLE_ROWS, check_mapping, recognise_shape
from assay.data.sources import open_source
from assay.errors import DataError, Problem

if TYPE_CHECKING:
    from assay.config import SourceConfig


@dataclass(frozen=True)
class ReadRow:
    """One row of a part: its record, or what makes it unusable."""

    part: str
    record: Record | None
    problems: tuple[Problem, ...] = ()

    @property
    def file(self) -> str:
        """As printed."""
        return self.record.file if self.record else self.problems[0].file

    @property
    def line(self) -> int:
        """From 1; 1 where only the file is known."""
        return (self.record.line if self.record else self.problems[0].line) or 1


Parts = Mapping[str, Sequence["SourceConfig"]]


def read_parts(
    parts: Parts, *, base_dir: Path, system: str | None = None, group_by: str | None = None
) -> Iterator[ReadRow]:
    """Every row of every source, in the order of the parts.

    Raises:
        DataError: a source that is not there, whose shape cannot be told, or whose rest cannot be
            read; while it is iterated.
    """
    for part, sources in parts.items():
        for source in sources:
            for row in _read_source(source, base_dir, system, group_by):
                yield ReadRow(part, *row)


def _read_source(
    source: SourceConfig, base_dir: Path, system: str | None, group_by: str | None
) -> Iterator[tuple[Record | None, tuple[Problem, ...]]]:
    opened = open_source(source, base_dir=base_dir)
    rows = islice(opened.rows, source.limit)
    head = list(islice(rows, SAMPLE_ROWS))
    sample = [row for row in head if isinstance(row, Row)]
    shape = _recognise(source, sample, opened.files[0])
    for row in chain(head, rows):
        if isinstance(row, Problem):
            yield None, (row,)
            continue
        check = RowCheck(row)
        record = convert_row(
            check,
            shape,
            columns=source.columns,
            system=system,
            group_by=group_by,
            source=source.path,
            weight=source.weight,
            role=source.role,
            provenance=source.provenance,
        )
        yield record, tuple(check.problems)


def _recognise(source: SourceConfig, sample: list[Row], file: str) -> str:
    problems = check_mapping(source.columns, file=source.path, shape=source.format)
    if not sample:
        problems.append(Problem("no rows", "at least one row", "name a file with rows", file=file))
    if problems:
        raise DataError(problems)
    shape = recognise_shape(sample, columns=source.columns, file=file, named=source.format)
    if isinstance(shape, Problem):
        raise DataError(shape)
    return shape
