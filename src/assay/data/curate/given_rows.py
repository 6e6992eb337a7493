"""Rows that a program holds, or names by a path, read as any other source is.

A list of dicts, a pandas data frame, a `datasets.Dataset`, or paths: what they are is told by what
they can do, so that neither package is imported here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from assay.data.curate.reading import Reading, ReadRow
from assay.data.records import Row
from assay.data.shapes import SAMPLE_ROWS, check_mapping, recognise_shape
from assay.errors import DataError, Problem

Kind = Literal["paths", "frame", "dataset", "rows"]
_FRAME_ROWS = 1_000


@dataclass(frozen=True)
class Asked:
    """How rows are to be read; as the settings of a source in a recipe."""

    format: str = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    system: str | None = None
    group_by: str | None = None


def tell_kind(rows: Any, *, name: str) -> Kind:
    """What rows are.

    Raises:
        DataError: something else; `name` is the argument that holds it.
    """
    if isinstance(rows, str | os.PathLike):
        return "paths"
    if hasattr(rows, "iloc") and hasattr(rows, "columns"):
        return "frame"
    if hasattr(rows, "column_names") and isinstance(rows, Mapping):
        splits = ", ".join(map(str, rows))
        do = f'name one split, such as dataset["{next(iter(rows), "train")}"]'
        raise DataError(Problem(f"splits of a data set ({splits})", "rows", do, key=name))
    if hasattr(rows, "column_names"):
        return "dataset"
    if isinstance(rows, Sequence) and rows and all(isinstance(one, str | Path) for one in rows):
        return "paths"
    if isinstance(rows, Iterable) and not isinstance(rows, Mapping | bytes):
        return "rows"
    allowed = "paths, dicts, a pandas data frame or a datasets.Dataset"
    raise DataError(Problem(f"{type(rows).__name__}", allowed, "convert it", key=name))


def iterate_rows(rows: Any, kind: Kind, *, label: str) -> Iterator[Row | Problem]:
    """Each row as it is given, numbered from 1; what is no mapping is a problem of its row.

    Missing cells of a data frame (NaN, NaT, NA) and nulls of a data set are absent cells.
    """
    cells: Iterable[Any] = _read_frame(rows) if kind == "frame" else rows
    columnar = kind != "rows"
    for number, fields in enumerate(cells, start=1):
        if isinstance(fields, Mapping):
            yield Row(dict(fields), label, number, columnar=columnar)
        else:
            got = f"a row of type {type(fields).__name__}"
            do = "give each row as a dict of its columns"
            yield Problem(got, "a mapping of columns", do, file=label, line=number)


def read_given(
    rows: Iterable[Row | Problem], part: str, label: str, asked: Asked
) -> Iterator[ReadRow]:
    """Rows as records, in the one shape that the first of them have.

    Raises:
        DataError: no row, or no shape that is known.
    """
    iterator = iter(rows)
    head = list(islice(iterator, SAMPLE_ROWS))
    reading = build_reading(head, label, asked)
    yield from (reading.convert(row, part) for row in chain(head, iterator))


def build_reading(head: Sequence[Row | Problem], label: str, asked: Asked) -> Reading:
    """How the rows are read, told by the first of them. Raises as `read_given`."""
    sample = [row for row in head if isinstance(row, Row)]
    problems = check_mapping(asked.columns, file=label, shape=asked.format)
    if not sample:
        problems.append(Problem("no rows", "at least one row", "give some", file=label))
    if problems:
        raise DataError(problems)
    shape = recognise_shape(sample, columns=asked.columns, file=label, named=asked.format)
    if isinstance(shape, Problem):
        raise DataError(shape)
    return Reading(
        shape,
        columns=asked.columns,
        system=asked.system,
        group_by=asked.group_by,
        source=label,
    )


def _read_frame(frame: Any) -> Iterator[dict[str, Any]]:
    for start in range(0, len(frame), _FRAME_ROWS):
        for fields in frame.iloc[start : start + _FRAME_ROWS].to_dict("records"):
            yield {str(name): _to_plain(cell) for name, cell in fields.items()}


def _to_plain(cell: Any) -> Any:
    """A cell as Python has it: missing values as None, NumPy's values and arrays as plain ones."""
    if isinstance(cell, float):
        return None if math.isnan(cell) else cell
    if hasattr(cell, "tolist"):
        return _to_plain(cell.tolist())
    if isinstance(cell, list):
        return [_to_plain(one) for one in cell]
    if isinstance(cell, dict):
        return {name: _to_plain(one) for name, one in cell.items()}
    return None if type(cell).__name__ in ("NAType", "NaTType") else cell
