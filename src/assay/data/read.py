"""Reads every source of a split into records and one list of problems; splits and mixes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.data.convert import convert_row
from assay.data.plain_rows import TEMPLATED, UNTEMPLATED, has_message_lists
from assay.data.records import Record, Row, RowCheck, RowObjective, assign_ids
from assay.data.shapes import (
    SAMPLE_ROWS,
    STORED,
    check_mapping,
    find_unseen_columns,
    recognise_shape,
    rename_columns,
)
from assay.data.sources import Opened, open_source
from assay.errors import DataError, Problem

if TYPE_CHECKING:
    from assay.config import SourceConfig


@dataclass(frozen=True)
class SourceCounts:
    """What came out of one source.

    `num_rows` = `num_records` + `num_bad_rows`; blank lines are no rows. `ignored_keys` counts the
    message keys that no format knows; `other_columns` are kept in each record's `extra`.
    """

    source: str
    path: str
    format: str
    weight: float
    files: list[str] = field(default_factory=list)
    skipped_files: list[str] = field(default_factory=list)
    revision: str | None = None
    num_rows: int = 0
    num_records: int = 0
    num_bad_rows: int = 0
    ignored_keys: dict[str, int] = field(default_factory=dict)
    other_columns: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ReadResult:
    """Records of all sources in the order of the recipe, and everything that was wrong.

    `problems` are of single rows, which may be dropped; `refusals` are of files, formats and
    mappings, and always stop the run: what they hide cannot be counted.
    """

    records: list[Record]
    problems: list[Problem]
    refusals: list[Problem]
    counts: list[SourceCounts]

    @property
    def num_bad_rows(self) -> int:
        """Rows, not problems: a row can have several."""
        return sum(count.num_bad_rows for count in self.counts)


def read_sources(
    sources: Sequence[SourceConfig],
    *,
    base_dir: Path,
    system: str | None = None,
    group_by: str | None = None,
    wanted: RowObjective | None = "answers",
) -> ReadResult:
    """Read all sources, row by row; nothing is raised, so that all problems come out together.

    Args:
        base_dir: where relative paths start (the recipe's folder).
        system: system prompt for chat rows that have none.
        group_by: column whose value becomes each record's group.
        wanted: what the objective learns from; rows for another are refused by name. None takes
            rows for any.
    """
    names = _name_sources(sources)
    results = [
        _read_source(_Reading(source, name, system, group_by, wanted), base_dir=base_dir)
        for source, name in zip(sources, names, strict=True)
    ]
    return ReadResult(
        records=assign_ids(record for result in results for record in result.records),
        problems=[problem for result in results for problem in result.problems],
        refusals=[problem for result in results for problem in result.refusals],
        counts=[count for result in results for count in result.counts],
    )


def _name_sources(sources: Sequence[SourceConfig]) -> list[str]:
    """Each source by its path; a path that stands twice is numbered."""
    totals = Counter(source.path for source in sources)
    seen: Counter[str] = Counter()
    names = []
    for source in sources:
        seen[source.path] += 1
        number = f"#{seen[source.path]}" if totals[source.path] > 1 else ""
        names.append(source.path + number)
    return names


def _read_source(reading: _Reading, *, base_dir: Path) -> ReadResult:
    source = reading.source
    refusals = check_mapping(source.columns, file=source.path, shape=source.format)
    try:
        if not refusals:
            opened = open_source(source, base_dir=base_dir)
            reading.opened = opened
            refusals += reading.read(islice(opened.rows, source.limit))
    except DataError as error:
        refusals += error.problems
    return ReadResult(reading.records, reading.problems, refusals, [reading.count()])


class _Reading:
    """The state of reading one source: a shape once it is recognised, records and problems."""

    def __init__(
        self,
        source: SourceConfig,
        name: str,
        system: str | None,
        group_by: str | None,
        wanted: RowObjective | None,
    ) -> None:
        self.wanted = wanted
        self.source = source
        self.name = name
        self.system = system
        self.group_by = group_by
        self.opened = Opened(iter(()), [], [])
        self.shape: str = source.format
        self.records: list[Record] = []
        self.problems: list[Problem] = []
        self.ignored: Counter[str] = Counter()
        self.num_rows = 0
        self.seen: dict[str, None] = {}

    def read(self, rows: Iterator[Row | Problem]) -> list[Problem]:
        """Read all rows; return what refuses the source as a whole."""
        head: list[Row | Problem] = []
        sample: list[Row] = []
        for row in rows:
            head.append(row)
            if isinstance(row, Row):
                sample.append(row)
            if len(sample) == SAMPLE_ROWS:
                break
        refusals = self._recognise(sample)
        if refusals:
            self.problems += [row for row in head if isinstance(row, Problem)]
            return refusals
        for row in chain(head, rows):
            self._read_row(row)
        return find_unseen_columns(self.source.columns, self.seen, file=self.opened.files[0])

    def _recognise(self, sample: list[Row]) -> list[Problem]:
        file = self.opened.files[0]
        if not sample:
            return [Problem("no rows", "at least one row", "name a file with rows", file=file)]
        shape = recognise_shape(
            sample,
            columns=self.source.columns,
            file=file,
            named=self.source.format,
            wanted=self.wanted,
        )
        if isinstance(shape, Problem):
            return [shape]
        self.shape = shape
        refusals = check_mapping(self.source.columns, file=file, shape=shape)
        if (
            self.group_by
            and shape != STORED
            and not any(self.group_by in row.fields for row in sample)
        ):
            refusals.append(_no_group_column(self.group_by, sample[0], file))
        fields = [rename_columns(row.fields, self.source.columns) for row in sample]
        if self.system and shape == "completion" and not all(map(has_message_lists, fields)):
            refusals.append(_unused_system(file))
        return refusals

    def _read_row(self, row: Row | Problem) -> None:
        self.num_rows += 1
        if isinstance(row, Problem):
            self.problems.append(row)
            return
        self.seen.update(dict.fromkeys(row.fields))
        check = RowCheck(row)
        record = convert_row(
            check,
            self.shape,
            columns=self.source.columns,
            system=self.system,
            group_by=self.group_by,
            source=self.name,
            weight=self.source.weight,
            role=self.source.role,
            provenance=self.source.provenance,
        )
        self.problems += check.problems
        self.ignored += check.ignored
        if record is not None:
            self.records.append(record)

    def count(self) -> SourceCounts:
        others: dict[str, Any] = {}
        for record in self.records:
            others.update(dict.fromkeys(record.extra))
        return SourceCounts(
            source=self.name,
            path=self.source.path,
            format=self.shape,
            weight=self.source.weight,
            files=self.opened.files,
            skipped_files=self.opened.skipped,
            revision=self.opened.revision or self.source.revision,
            num_rows=self.num_rows,
            num_records=len(self.records),
            num_bad_rows=self.num_rows - len(self.records),
            ignored_keys=dict(sorted(self.ignored.items())),
            other_columns=sorted(others),
        )


def _no_group_column(group_by: str, row: Row, file: str) -> Problem:
    return Problem(
        f"no column {group_by!r}",
        f"one of {', '.join(row.fields)}",
        "correct data.group_by",
        file=file,
        key="data.group_by",
    )


def _unused_system(file: str) -> Problem:
    got = "a system prompt for prompt/completion rows"
    return Problem(got, UNTEMPLATED, TEMPLATED, file=file, key="data.system")
