"""The rows of a run: read from the request or a file, and checked against the eval's schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from pydantic import ValidationError

from assay.runs.store import Store
from assay.runs.store.files import find_file, locate_file
from assay.serve.errors import refuse
from assay.serve.evals.body import RowBody
from assay.tools.validate import validate_arguments

MAX_TOLD = 20
"""Rows that are named where more are wrong."""


class RowsProblem(Exception):
    """Rows that cannot be run: a code, and which they are."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class EvalRow:
    """A row by its place, counted from 0."""

    number: int
    item: dict[str, Any]
    sample: dict[str, Any] | None


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse what is no JSON schema of objects (400)."""
    place = "data_source_config.item_schema"
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise refuse(f"No JSON schema: {error.message}.", param=place) from error
    if schema.get("type") != "object":
        raise refuse("Items are objects: the schema's type must be object.", param=place)
    if '"patternProperties":' in json.dumps(schema):
        raise refuse("patternProperties are not checked here: name the properties.", param=place)
    problem = validate_arguments({}, schema).schema_problem
    if problem:
        raise refuse(f"The schema cannot be used: {problem}.", param=place)


def iterate_rows(store: Store, source: Mapping[str, Any]) -> Iterator[EvalRow]:
    """The rows of a run's ``source``, in order.

    Raises:
        RowsProblem: the file is gone, or a line is no row.
    """
    if source["type"] == "file_content":
        for number, row in enumerate(source["content"]):
            yield _to_row(number, RowBody.model_validate(row))
        return
    if find_file(store, source["id"]) is None:
        message = f"The file {source['id']} was deleted, or has expired."
        raise RowsProblem("file_not_found", message)
    yield from _read_lines(locate_file(store, source["id"]))


def check_rows(store: Store, source: Mapping[str, Any], schema: Mapping[str, Any]) -> int:
    """How many rows there are.

    Raises:
        RowsProblem: rows that do not fit the schema, by their places; or as `iterate_rows`.
    """
    wrong, num = list[str](), 0
    for row in iterate_rows(store, source):
        num += 1
        if not is_unicode(row.item) or not is_unicode(row.sample):
            wrong.append(f"row {row.number + 1}: it holds half of a surrogate pair")
            continue
        found = validate_arguments(row.item, schema)
        if found.schema_problem:
            raise RowsProblem("invalid_schema", f"Row {row.number + 1}: {found.schema_problem}.")
        if found.problems:
            wrong.append(f"row {row.number + 1}: item{found.problems[0]}")
    if wrong:
        more = f"; and {len(wrong) - MAX_TOLD:,} more" if len(wrong) > MAX_TOLD else ""
        told = "; ".join(wrong[:MAX_TOLD]) + more
        raise RowsProblem("invalid_rows", f"Rows that do not fit item_schema: {told}.")
    if not num:
        raise RowsProblem("invalid_rows", "There is no row.")
    return num


def _to_row(number: int, row: RowBody) -> EvalRow:
    sample = None if row.sample is None else row.sample.model_dump(exclude_unset=True)
    return EvalRow(number, row.item, sample)


def is_unicode(value: Any) -> bool:
    """Whether all texts of a JSON value can be written as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_lines(path: Path) -> Iterator[EvalRow]:
    number = 0
    try:
        with path.open(encoding="utf-8") as lines:
            for place, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = RowBody.model_validate(json.loads(line))
                except (ValueError, RecursionError, ValidationError) as error:
                    told = f"Line {place} is no object with an item and, if any, a sample."
                    raise RowsProblem("invalid_rows", told) from error
                yield _to_row(number, row)
                number += 1
    except (OSError, UnicodeError) as error:
        raise RowsProblem("file_not_found", "The file's bytes cannot be read.") from error
