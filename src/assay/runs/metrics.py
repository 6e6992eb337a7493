"""metrics.jsonl: one JSON object a line, written while a run lives; knows no metric's meaning.

A process killed in the middle of a line leaves a torn tail. The reader skips it, and the next
writer cuts it off, so one crash costs one line at most.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.errors import CheckpointError
from assay.runs.atomic import disk_full_named, finite, write_bytes


def append_line(path: Path, values: Mapping[str, Any]) -> None:
    """Add one line and hand it to the operating system at once.

    NaN and infinities are written as null. A torn last line is cut off first.

    Raises:
        ResourceError: the disk is full.
    """
    line = json.dumps(finite(dict(values)), ensure_ascii=False, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with disk_full_named(path), open(path, "ab") as file:
        if file.seekable() and file.tell() > 0:
            _cut_torn_tail(path, file.tell())
        file.write(line.encode("utf-8"))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read every whole line; a torn last one is left out; a missing file is an empty list.

    Raises:
        CheckpointError: a line before the last is not a JSON object, with its number.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    torn = lines.pop()
    rows = [_parse(path, number, line) for number, line in enumerate(lines, start=1) if line]
    if torn:
        last = _parse_or_none(torn)
        rows += [last] if last is not None else []
    return rows


def drop_after(path: Path, step: int) -> int:
    """Remove the lines of steps later than `step` (before resuming from it); returns how many."""
    rows = read_lines(path)
    kept = [row for row in rows if int(row.get("step", 0)) <= step]
    if len(kept) < len(rows):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
        write_bytes(path, text.encode("utf-8"))
    return len(rows) - len(kept)


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    row = _parse_or_none(line)
    if row is None:
        raise CheckpointError(f"{path}:{number}: not a JSON object")
    return row


def _parse_or_none(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _cut_torn_tail(path: Path, size: int) -> None:
    with open(path, "rb") as file:
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        end = file.read().rfind(b"\n") + 1
    os.truncate(path, end)
