"""Parts become a file of the store: joined beside it on disk first, then row and end at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from assay.errors import ResourceError
from assay.runs.atomic import disk_full_named
from assay.runs.store import Store
from assay.runs.store.creates import Attempt, find_created, note_created
from assay.runs.store.files import get_folder, insert_file, locate_file
from assay.runs.store.ids import new_id
from assay.runs.store.uploads import (
    UploadRow,
    drop_parts,
    end_upload,
    hold_upload,
    list_parts,
    locate_part,
)
from assay.serve.errors import ApiError, refuse
from assay.serve.files.check import CheckedLines, check_lines
from assay.serve.files.keep import CHECKED_PURPOSES
from assay.serve.uploads.state import refuse_state

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class _Joined:
    path: Path
    num_bytes: int
    sha256: str
    md5: str


def complete_upload(
    store: Store, upload: UploadRow, part_ids: Sequence[str], *, md5: str | None, attempt: Attempt
) -> None:
    """Make a file of `part_ids`, in their order, and end the upload; all of it or nothing.

    Raises:
        ApiError: 400 for parts that are not the upload's, bytes that are not as many as announced,
            another checksum, or an upload that has ended; 507 where the disk is full.
    """
    with store.write() as connection:
        if find_created(store, connection, attempt) is not None:
            return
        _, status = hold_upload(store, connection, upload.id)
    if status != "pending":
        raise refuse_state(status)
    _check_parts(upload, list_parts(store, upload.id), part_ids)
    file_id = new_id("file-")
    path = locate_file(store, file_id)
    try:
        joined = _join(store, part_ids, path)
        if md5 is not None and md5.lower() != joined.md5:
            raise refuse(f"The bytes have the MD5 {joined.md5}, not {md5}.", param="md5")
        gone = _commit(store, upload, joined, attempt)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    drop_parts(store, gone)


def _check_parts(upload: UploadRow, known: dict[str, int], part_ids: Sequence[str]) -> None:
    strange = [part_id for part_id in part_ids if part_id not in known]
    if strange:
        named = ", ".join(strange[:10])
        raise refuse(f"Not parts of this upload: {named}.", param="part_ids")
    total = sum(known[part_id] for part_id in part_ids)
    if total != upload.bytes:
        told = f"The parts have {total:,} bytes together, and {upload.bytes:,} were announced."
        raise refuse(told, param="part_ids", code="byte_count_mismatch")


def _join(store: Store, part_ids: Sequence[str], path: Path) -> _Joined:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    get_folder(store).mkdir(parents=True, exist_ok=True)
    try:
        with disk_full_named(path), open(path, "xb") as file:
            for part_id in part_ids:
                with open(locate_part(store, part_id), "rb") as part:
                    while chunk := part.read(_CHUNK_BYTES):
                        sha256.update(chunk)
                        md5.update(chunk)
                        size += file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError as error:
        # Cancelled, or swept, while it was joined.
        raise refuse_state("cancelled") from error
    except ResourceError as error:
        raise disk_full("file") from error
    return _Joined(path, size, sha256.hexdigest(), md5.hexdigest())


def _commit(store: Store, upload: UploadRow, joined: _Joined, attempt: Attempt) -> Sequence[str]:
    checked = CheckedLines(0, "")
    if upload.purpose in CHECKED_PURPOSES:
        checked = check_lines(joined.path, upload.filename)
    with store.write() as connection:
        row, status = hold_upload(store, connection, upload.id)
        if status != "pending":
            raise refuse_state(status)
        now_s, after_s = store.now(connection), row.file_expires_after_s
        insert_file(
            connection,
            id=joined.path.name,
            project=row.project,
            filename=row.filename,
            purpose=row.purpose,
            bytes=joined.num_bytes,
            sha256=joined.sha256,
            status="error" if checked.details else "processed",
            status_details=checked.details or None,
            num_rows=checked.num_rows,
            created_at=now_s,
            expires_at=None if after_s is None else now_s + after_s,
        )
        note_created(store, connection, attempt, row.id)
        return end_upload(connection, row.id, "completed", file_id=joined.path.name)


def copy_part(stream: BinaryIO, path: Path, limit_bytes: int) -> tuple[int, str]:
    """Write a part to disk: its bytes, and their SHA-256.

    Raises:
        ApiError: 413 beyond `limit_bytes`, 507 where the disk is full; nothing is left then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sha256, size = hashlib.sha256(), 0
    try:
        with disk_full_named(path), open(path, "xb") as file:
            while chunk := stream.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > limit_bytes:
                    told = f"A part may have {limit_bytes:,} bytes."
                    raise ApiError(413, told, code="request_too_large", param="data")
                sha256.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except ResourceError as error:
        path.unlink(missing_ok=True)
        raise disk_full("part") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return size, sha256.hexdigest()


def disk_full(what: str) -> ApiError:
    """507: sending it again would not help."""
    told = f"The server's disk is full; nothing of the {what} was kept."
    return ApiError(507, told, code="disk_full", headers={"x-should-retry": "false"})
