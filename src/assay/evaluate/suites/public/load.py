"""Reads a public data set, file or Hub id, into suites; how rows become items its format says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assay.config import SourceConfig
from assay.data.records import Row
from assay.data.sources import open_source
from assay.errors import ConfigError, DataError, Problem
from assay.evaluate.items import Item, Kind, Rendering
from assay.evaluate.scorers import LIKELIHOOD_METRICS
from assay.evaluate.suites import Suite, build_suite
from assay.evaluate.suites.public import Format, Part, find_format, recognise_format


@dataclass(frozen=True)
class PublicSource:
    """Where a public data set is, and how it is read.

    Attributes:
        path: a file, a folder, a URL or a Hub id.
        format: one of `FORMATS`, or "auto" to tell it by the first row's columns.
        subset, split, revision: of a Hub data set; None is what the format's own has.
        name: of the suite, and of a format's several suites the beginning; None is the format's.
        kind: what the questions guard, where the format leaves it open.
        metric: of questions with choices, where the format has one suite of them.
        rendering: how those are asked; "completion" for a base without a chat template.
    """

    path: str
    format: str = "auto"
    subset: str | None = None
    split: str | None = None
    revision: str | None = None
    name: str | None = None
    kind: Kind | None = None
    metric: str = "auto"
    rendering: Rendering = "chat"


def load_public_suites(source: PublicSource, *, base_dir: Path) -> list[Suite]:
    """The suites of a public data set that have items, in the order of the format's parts.

    Raises:
        ConfigError: an unknown format, or a kind or metric that it does not leave open.
        DataError: nothing can be read, no format has such columns, or rows are wrong: all of them.
    """
    rows = list(_read(source, base_dir))
    if source.format == "auto":
        found = recognise_format(rows[0].fields)
        if found is None:
            raise DataError(_describe_unknown(rows[0]))
    else:
        found = find_format(source.format)
    _check_choices(found, source)
    asked, problems = _build(found, rows, source.rendering)
    if problems:
        raise DataError(problems)
    return [
        _build_part(found, name, part, items, source)
        for name, part in found.parts.items()
        if (items := asked[name])
    ]


def peek_format(source: PublicSource, *, base_dir: Path) -> Format | None:
    """The format that the first row's columns tell; None where none has such columns.

    Raises:
        DataError: nothing can be read.
    """
    first = next(_read(source, base_dir))
    return recognise_format(first.fields)


def _read(source: PublicSource, base_dir: Path) -> Iterator[Row]:
    """The rows.

    Raises:
        DataError: lines that cannot be read, or no row at all.
    """
    hub = find_format(source.format).hub if source.format != "auto" else None
    given = {
        "path": source.path,
        "name": source.subset or (hub.subset if hub else None),
        "split": source.split or (hub.split if hub else "test"),
        "revision": source.revision,
    }
    opened = open_source(SourceConfig.model_validate(given), base_dir=base_dir)
    num_rows = 0
    for row in opened.rows:
        if isinstance(row, Problem):
            raise DataError(row)
        num_rows += 1
        yield row
    if not num_rows:
        raise DataError(Problem(got="no row", do="name a file with rows", file=source.path))


def _build(
    found: Format, rows: Sequence[Row], rendering: Rendering
) -> tuple[dict[str, list[Item]], list[Problem]]:
    """The items of each part, numbered by row, and every problem with its place."""
    asked: dict[str, list[Item]] = {name: [] for name in found.parts}
    problems: list[Problem] = []
    for number, row in enumerate(rows, start=1):
        try:
            for part, item in found.build(row.fields, rendering):
                asked[part].append(replace(item, id=str(number)))
        except DataError as error:
            problems += [replace(one, file=row.file, line=row.line) for one in error.problems]
    return asked, problems


def _build_part(
    found: Format, part_name: str, part: Part, items: Sequence[Item], source: PublicSource
) -> Suite:
    name = "_".join(filter(None, (source.name or found.name, part_name)))
    metric = part.metric if source.metric == "auto" else source.metric
    own = [replace(item, id=f"{name}-{item.id}", suite=name, metric=metric) for item in items]
    suite = build_suite(own, name=name, kind=source.kind or part.kind, metric=metric)
    return replace(suite, reason=f"the format is {found.name}", figures=part.figures)


def _check_choices(found: Format, source: PublicSource) -> None:
    """Refuse a kind or a metric that the format does not leave open."""
    problems = []
    parts = list(found.parts.values())
    fixed = ", ".join(dict.fromkeys(part.kind for part in parts))
    if source.kind and not all(part.free_kind or part.kind == source.kind for part in parts):
        problems.append(
            Problem(
                got=f"kind {source.kind} for a file of format {found.name}",
                allowed=fixed,
                do="leave `kind` out: the format says what it measures",
                key="kind",
            )
        )
    is_open = len(parts) == 1 and parts[0].metric in LIKELIHOOD_METRICS
    allowed = LIKELIHOOD_METRICS if is_open else ()
    if source.metric not in ("auto", *allowed):
        problems.append(
            Problem(
                got=f"metric {source.metric} for a file of format {found.name}",
                allowed=", ".join(("auto", *allowed)),
                do="choose one of these" if is_open else "leave `metric` out",
                key="metric",
            )
        )
    if problems:
        raise ConfigError(problems)


def _describe_unknown(row: Row) -> Problem:
    return Problem(
        got=f"columns {', '.join(row.fields)}",
        allowed="those of a known format",
        do="name the `format`, or write rows of a suite: prompt and answer, or choices and golds",
        file=row.file,
        line=row.line,
    )
