"""Splits on disk as Parquet, one file each, that read back equal; knows no report and no token.

`messages` are native columns that other tools read; `tools` and `extra` are JSON text, since their
members differ from row to row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from assay.data.arrows import build_table
from assay.data.records import Message, Record, Role, canonical_json, compute_content_hash
from assay.data.tool_rows import drop_nulls
from assay.errors import DataError, Problem
from assay.runs import write_bytes
from assay.runs.atomic import disk_full_named

_GROUP_ROWS = 2_000
# Columns that no other form of rows has together.
_STORED = frozenset({"id", "kind", "messages", "tools", "file", "line", "mixing_weight", "extra"})


def compute_split_hash(records: Iterable[Record]) -> str:
    """SHA-256 (hex) of the contents of a split, whatever the order and origin of its records."""
    hashes = sorted(compute_content_hash(record) for record in records)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def write_split(path: Path, records: Sequence[Record]) -> None:
    """Replace `path` by the records as Parquet, atomically.

    Raises:
        ResourceError: the disk is full.
    """
    from pyarrow import parquet

    schema = _schema()
    rows = [_to_row(record) for record in records]
    table = build_table({name: [row[name] for row in rows] for name in schema.names}, schema)
    buffer = BytesIO()
    parquet.write_table(table, buffer)
    write_bytes(path, buffer.getvalue())


def write_records(path: Path, records: Iterable[Record]) -> int:
    """Write the records as they come, as Parquet, and return their number; a group at a time.

    Raises:
        ResourceError: the disk is full.
    """
    from pyarrow import parquet

    schema, written = _schema(), 0
    iterator = iter(records)
    with disk_full_named(path), parquet.ParquetWriter(path, schema) as writer:
        while chunk := [_to_row(record) for record in islice(iterator, _GROUP_ROWS)]:
            columns = {name: [row[name] for row in chunk] for name in schema.names}
            writer.write_table(build_table(columns, schema))
            written += len(chunk)
    return written


def iterate_records(path: Path) -> Iterator[Record]:
    """The records that `write_records` or `write_split` wrote, a group at a time.

    Raises:
        DataError: the file is missing or damaged.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=_GROUP_ROWS):
            yield from map(_from_row, batch.to_pylist())
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(_unreadable(path, error)) from error


def is_stored(fields: Mapping[str, Any]) -> bool:
    """Whether the columns of a row are those of a stored record."""
    return fields.keys() >= _STORED


def restore_record(
    fields: Mapping[str, Any], *, source: str, weight: float, role: Role, group_by: str | None
) -> Record:
    """The record of a stored row that is read as a source: it takes on the source's settings."""
    record = _from_row(fields)
    group = record.group if group_by is None else record.extra.get(group_by, record.group)
    return replace(
        record,
        source=source,
        weight=weight,
        role=role,
        group=None if group is None else str(group),
    )


def read_split(path: Path) -> list[Record]:
    """The records that `write_split` wrote.

    Raises:
        DataError: the file is missing or damaged.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(_unreadable(path, error)) from error
    return [_from_row(row) for row in rows]


def _unreadable(path: Path, error: Exception) -> Problem:
    return Problem(
        f"a split that cannot be read: {error}",
        "a file that a run wrote",
        "start the run anew",
        file=str(path),
    )


def _schema() -> Any:
    import pyarrow as pa

    function = pa.struct([("name", pa.string()), ("arguments", pa.string())])
    call = pa.struct([("id", pa.string()), ("type", pa.string()), ("function", function)])
    message = pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.string()),
            ("reasoning_content", pa.string()),
            ("tool_calls", pa.list_(call)),
            ("tool_call_id", pa.string()),
            ("name", pa.string()),
            ("weight", pa.int8()),
        ]
    )
    return pa.schema(
        [
            ("id", pa.string()),
            ("kind", pa.string()),
            ("messages", pa.list_(message)),
            ("tools", pa.string()),
            ("group", pa.string()),
            ("file", pa.string()),
            ("line", pa.int64()),
            ("source", pa.string()),
            ("index", pa.int64()),
            ("mixing_weight", pa.float64()),
            ("extra", pa.string()),
            ("rejected", pa.list_(message)),
            ("is_wanted", pa.int8()),
            ("step_labels", pa.list_(pa.int8())),
        ]
    )


def _to_row(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "kind": record.kind,
        "messages": record.messages,
        "tools": None if record.tools is None else json.dumps(record.tools, ensure_ascii=False),
        "group": record.group,
        "file": record.file,
        "line": record.line,
        "source": record.source,
        "index": record.index,
        "mixing_weight": record.weight,
        "extra": canonical_json(record.extra),
        "rejected": record.rejected,
        "is_wanted": None if record.is_wanted is None else int(record.is_wanted),
        "step_labels": None if record.step_labels is None else list(map(int, record.step_labels)),
    }


def _from_row(row: Mapping[str, Any]) -> Record:
    return Record(
        id=row["id"],
        messages=[_from_struct(message) for message in row["messages"]],
        tools=None if row["tools"] is None else json.loads(row["tools"]),
        kind=row["kind"],
        group=row["group"],
        file=row["file"],
        line=row["line"],
        source=row["source"],
        weight=row["mixing_weight"],
        index=row.get("index"),
        extra=json.loads(row["extra"]),
        rejected=_read_messages(row.get("rejected")),
        is_wanted=None if row.get("is_wanted") is None else bool(row["is_wanted"]),
        step_labels=_read_flags(row.get("step_labels")),
    )


def _read_flags(flags: list[int] | None) -> list[bool] | None:
    return None if flags is None else list(map(bool, flags))


def _read_messages(structs: list[dict[str, Any]] | None) -> list[Message] | None:
    return None if structs is None else [_from_struct(message) for message in structs]


def _from_struct(message: dict[str, Any]) -> Message:
    return {"content": None, **drop_nulls(message)}
