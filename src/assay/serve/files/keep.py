"""An upload becomes a file of the store: bytes on disk first, then its row; or nothing at all."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection

from assay.errors import ResourceError
from assay.runs.atomic import disk_full_named
from assay.runs.store import Store
from assay.runs.store.creates import Attempt, find_created, fingerprint, note_created
from assay.runs.store.files import File, find_file, get_folder, insert_file, locate_file
from assay.runs.store.ids import new_id
from assay.serve.errors import ApiError
from assay.serve.files.check import CheckedLines, check_lines

_CHUNK_BYTES = 1 << 20
CHECKED_PURPOSES = ("fine-tune",)


@dataclass(frozen=True)
class Upload:
    """What is uploaded: a stream, its shown name, and what for."""

    stream: BinaryIO
    filename: str
    purpose: str
    expires_after_s: int | None = None


def keep_upload(
    store: Store,
    upload: Upload,
    *,
    project: str,
    limit_bytes: int,
    key_id: str,
    is_retry: bool,
    arrived: float,
) -> File:
    """Copy an upload into the store, check its lines, and give it a row of the project's; once per
    request.

    Raises:
        ApiError: it is larger than `limit_bytes`, or the disk is full.
    """
    file_id = new_id("file-")
    path = locate_file(store, file_id)
    try:
        size, digest = _copy(upload.stream, path, limit_bytes)
        content = [upload.filename, upload.purpose, upload.expires_after_s, digest]
        attempt = Attempt(fingerprint(key_id, "files", content), is_retry, arrived)
        checked = CheckedLines(0, "")
        if upload.purpose in CHECKED_PURPOSES:
            checked = check_lines(path, upload.filename)
        with store.write() as connection:
            known = find_created(store, connection, attempt)
            if known is None:
                now_s = store.now(connection)
                after_s = upload.expires_after_s
                row = insert_file(
                    connection,
                    id=file_id,
                    project=project,
                    filename=upload.filename,
                    purpose=upload.purpose,
                    bytes=size,
                    sha256=digest,
                    status="error" if checked.details else "processed",
                    status_details=checked.details or None,
                    num_rows=checked.num_rows,
                    created_at=now_s,
                    expires_at=None if after_s is None else now_s + after_s,
                )
                note_created(store, connection, attempt, file_id)
                return row
    except ResourceError as error:
        path.unlink(missing_ok=True)
        message = "The server's disk is full; nothing of the file was kept."
        raise ApiError(507, message, code="disk_full", headers={"x-should-retry": "false"}) from (
            error
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)
    found = find_file(store, known)
    if found is None:
        raise ApiError(410, "The file of this request was deleted.", code="file_deleted")
    return found


def write_result(store: Store, project: str, filename: str, purpose: str, content: bytes) -> str:
    """Keep a file that the server itself made, and that nothing else must name at once; its id."""
    kept = keep_bytes(store, content)
    with store.write() as connection:
        insert_kept(store, connection, kept, project=project, name=filename, purpose=purpose)
    return kept.id


@dataclass(frozen=True)
class KeptBytes:
    """A file of the server's own whose bytes are on disk, and which has no row yet."""

    id: str
    num_bytes: int
    sha256: str


def keep_bytes(store: Store, content: bytes) -> KeptBytes:
    """Write the bytes of a file that the server itself makes; `insert_kept` makes it one.

    Raises:
        ResourceError: the disk is full; nothing is left then.
    """
    file_id = new_id("file-")
    path = locate_file(store, file_id)
    get_folder(store).mkdir(parents=True, exist_ok=True)
    try:
        with disk_full_named(path), open(path, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return KeptBytes(file_id, len(content), hashlib.sha256(content).hexdigest())


def insert_kept(
    store: Store,
    connection: Connection,
    kept: KeptBytes,
    *,
    project: str,
    name: str,
    purpose: str,
) -> None:
    """Give it its row, in the transaction that makes whatever names it."""
    insert_file(
        connection,
        id=kept.id,
        project=project,
        filename=name,
        purpose=purpose,
        bytes=kept.num_bytes,
        sha256=kept.sha256,
        status="processed",
        created_at=store.now(connection),
    )


def drop_kept(store: Store, kept: KeptBytes) -> None:
    """Remove bytes that were given no row."""
    locate_file(store, kept.id).unlink(missing_ok=True)


def _copy(stream: BinaryIO, path: Path, limit_bytes: int) -> tuple[int, str]:
    """Bytes and SHA-256 of what was kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with disk_full_named(path), open(path, "xb") as file:
        while chunk := stream.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > limit_bytes:
                message = f"The file is larger than {limit_bytes:,} bytes."
                raise ApiError(413, message, code="request_too_large", param="file")
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()
