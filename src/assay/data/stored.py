"""Splits on disk as Parquet, one file each, that read back equal; knows no report and no token.

`messages` are native columns that other tools read; `tools` and `extra` are JSON text, since their
members differ from row to row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from assay.data.arrows import build_table
from assay.data.records import Message, Record, canonical_json, compute_content_hash
from assay.data.tool_rows import drop_nulls
from assay.errors import DataError, Problem
from assay.runs import write_bytes


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
        problem = Problem(
            f"a split that cannot be read: {error}",
            "a file that a run wrote",
            "start the run anew",
            file=str(path),
        )
        raise DataError(problem) from error
    return [_from_row(row) for row in rows]


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
    }


def _from_row(row: dict[str, Any]) -> Record:
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
    )


def _from_struct(message: dict[str, Any]) -> Message:
    return {"content": None, **drop_nulls(message)}
