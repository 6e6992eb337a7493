"""The check and the mending of data from Python: `assay.data.check` and `assay.data.curate`.

Rows are dicts, a pandas data frame, a `datasets.Dataset` or paths; they are read as by a recipe,
and nothing is written but a temporary folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from assay.data.curate.check import Checked, Scratch, check_rows, settle
from assay.data.curate.detector import Given
from assay.data.curate.given_rows import (
    Asked,
    Kind,
    build_reading,
    iterate_rows,
    read_given,
    tell_kind,
)
from assay.data.curate.mask_book import MaskBook
from assay.data.curate.parts import read_parts
from assay.data.curate.passes import Passes
from assay.data.curate.plan import Plan
from assay.data.curate.put_back import put_back
from assay.data.curate.reading import Reading, ReadRow
from assay.data.records import Record, Row
from assay.data.shapes import SAMPLE_ROWS
from assay.data.sources import open_source
from assay.errors import Problem

if TYPE_CHECKING:
    from assay.config import SourceConfig


@dataclass(frozen=True)
class CuratedRows:
    """Rows as a plan leaves them.

    Attributes:
        records: the rows that are left, as training takes them.
        plan: what was done, finding by finding; `plan.counts` sums it up.
        checked: what a check says of the rows now.
        places: `file:line` of each row that is left, as it was given.
    """

    records: tuple[Record, ...]
    plan: Plan
    checked: Checked
    places: tuple[str, ...]
    _rows: tuple[dict[str, Any], ...] = field(repr=False)
    _given: Any = field(repr=False)
    _kind: Kind = field(repr=False)

    def __len__(self) -> int:
        return len(self.records)

    def to_list(self) -> list[dict[str, Any]]:
        """The rows with the columns that they were given with."""
        return [dict(row) for row in self._rows]

    def to_given(self) -> Any:
        """The rows as what they were given as: a data frame, a `datasets.Dataset`, else a list."""
        if self._kind == "frame":
            return type(self._given)(self.to_list(), columns=list(self._given.columns))
        if self._kind == "dataset":
            return type(self._given).from_list(self.to_list())
        return self.to_list()


def check(
    rows: Any,
    *,
    validation: Any = None,
    test: Any = None,
    suites: Mapping[str, Any] | None = None,
    rules: Mapping[str, Any] | None = None,
    accept: Sequence[str] = (),
    format: str = "auto",
    columns: Mapping[str, str] | None = None,
    system: str | None = None,
    group_by: str | None = None,
    given: Given | None = None,
) -> Checked:
    """Say what is wrong with rows, as `assay data check` does.

    Args:
        rows: training rows: dicts, a pandas data frame, a `datasets.Dataset`, a path or paths.
        validation, test: held-out rows of any of these kinds.
        suites: rows that gates will ask, by the suite's name.
        rules: `{rule: severity, action, "off" or a mapping}`, as `data.rules` of a recipe.
        accept: rules whose errors may stand, or ``all``.
        format, columns, system, group_by: as in a recipe's `data`.
        given: what a model or a tokenizer can tell, such as
            `assay.pipeline.given.read_tokenizer("tiny")`; rules that need more are not measured.

    Raises:
        DataError: rows that cannot be read at all; unknown rules and options.
    """
    asked = Asked(format, dict(columns or {}), system, group_by)
    parts = _list_parts(rows, validation, test, suites)
    reads = (_read(value, part, asked) for part, value in parts.items())
    return check_rows(
        chain.from_iterable(reads),
        settings=settle(rules, accept),
        given=_with_parts(given, parts),
    )


def curate(
    rows: Any,
    *,
    validation: Any = None,
    test: Any = None,
    suites: Mapping[str, Any] | None = None,
    rules: Mapping[str, Any] | None = None,
    accept: Sequence[str] = (),
    format: str = "auto",
    columns: Mapping[str, str] | None = None,
    system: str | None = None,
    group_by: str | None = None,
    given: Given | None = None,
) -> CuratedRows:
    """Mend rows as `assay data curate` does, in memory; arguments as those of `check`.

    For versions on disk, with their history, use the command.

    Raises:
        DataError: rows that cannot be read at all; unknown rules and options; nothing left.
    """
    asked = Asked(format, dict(columns or {}), system, group_by)
    parts = _list_parts(rows, validation, test, suites)
    kind = tell_kind(parts.pop("train"), name="rows")
    held = _hold(rows, kind, asked)
    reads = [reading.convert(row, "train") for row, reading in held]
    others = {part: _keep(value, part) for part, value in parts.items()}

    def read_others() -> Iterator[ReadRow]:
        for part, value in others.items():
            yield from _read(value, part, asked)

    with TemporaryDirectory(prefix="assay-curate-") as folder:
        passes = Passes(
            lambda: iter(reads),
            read_others,
            settings=settle(rules, accept),
            given=_with_parts(given, {"train": rows, **parts}),
            folder=Path(folder),
        )
        mended = passes.mend(MaskBook(), of="rows")
        records = tuple(passes.records())
        checked = _keep_findings(mended.checked)
    return _give_back(records, held, reads, mended.plan, checked, rows, kind)


def _list_parts(
    rows: Any, validation: Any, test: Any, suites: Mapping[str, Any] | None
) -> dict[str, Any]:
    named = {"train": rows, "validation": validation, "test": test}
    parts = {name: value for name, value in named.items() if value is not None}
    return parts | {f"suite:{name}": value for name, value in (suites or {}).items()}


def _with_parts(given: Given | None, parts: Mapping[str, Any]) -> Given:
    return replace(given or Given(), parts=tuple(parts))


def _keep(value: Any, part: str) -> Any:
    """What can be read more than once: an iterator is made a list."""
    return list(value) if tell_kind(value, name=part) == "rows" else value


def _read(value: Any, part: str, asked: Asked) -> Iterator[ReadRow]:
    kind = tell_kind(value, name=part)
    if kind == "paths":
        sources = {part: _to_sources(value, asked)}
        return read_parts(
            sources, base_dir=Path.cwd(), system=asked.system, group_by=asked.group_by
        )
    label = "rows" if part == "train" else part
    return read_given(iterate_rows(value, kind, label=label), part, label, asked)


def _to_sources(value: Any, asked: Asked) -> list[SourceConfig]:
    from assay.config import SourceConfig

    paths = [value] if isinstance(value, str | os.PathLike) else value
    columns = dict(asked.columns)
    return [
        SourceConfig.model_validate(
            {"path": os.fspath(path), "format": asked.format, "columns": columns}
        )
        for path in paths
    ]


def _hold(rows: Any, kind: Kind, asked: Asked) -> list[tuple[Row | Problem, Reading]]:
    """Every row as it is given, with how it is read."""
    held: list[tuple[Row | Problem, Reading]] = []
    if kind != "paths":
        sources = [("rows", list(iterate_rows(rows, kind, label="rows")))]
    else:
        opened = [
            (one.path, open_source(one, base_dir=Path.cwd())) for one in _to_sources(rows, asked)
        ]
        sources = [(path, list(one.rows)) for path, one in opened]
    for label, own in sources:
        reading = build_reading(own[:SAMPLE_ROWS], label, asked)
        held += [(row, reading) for row in own]
    return held


def _keep_findings(checked: Checked) -> Checked:
    """The check with its findings in a folder that lasts as long as it does."""
    scratch = Scratch()
    file = scratch.folder / "findings.jsonl"
    file.write_bytes(checked.file.read_bytes())
    return replace(checked, file=file, scratch=scratch)


def _give_back(
    records: tuple[Record, ...],
    held: Sequence[tuple[Row | Problem, Reading]],
    reads: Sequence[ReadRow],
    plan: Plan,
    checked: Checked,
    given: Any,
    kind: Kind,
) -> CuratedRows:
    by_place = {
        read.record.place: (row, read.record, reading)
        for (row, reading), read in zip(held, reads, strict=True)
        if read.record is not None
    }
    rows = []
    for record in records:
        row, before, reading = by_place[record.place]
        assert isinstance(row, Row)
        rows.append(put_back(row, before, record, reading))
    places = tuple(record.place for record in records)
    return CuratedRows(records, plan, checked, places, tuple(rows), given, kind)
