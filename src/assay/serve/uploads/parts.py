"""A part of an upload: bytes on disk first, then its row, as long as the upload takes parts."""

from __future__ import annotations

from typing import Any, BinaryIO

from assay.runs.store import Store
from assay.runs.store.creates import Attempt, find_created, fingerprint, note_created
from assay.runs.store.ids import new_id
from assay.runs.store.uploads import (
    UploadRow,
    find_part,
    hold_upload,
    insert_part,
    locate_part,
    sum_parts,
)
from assay.serve.errors import ApiError, refuse
from assay.serve.uploads.join import copy_part
from assay.serve.uploads.state import refuse_state


def keep_part(
    store: Store,
    upload: UploadRow,
    stream: BinaryIO,
    *,
    limit_bytes: int,
    key_id: str,
    is_retry: bool,
    arrived: float,
) -> Any:
    """The row of a part that is kept now; a repetition is answered by what it repeats.

    Parts of one upload may have twice its bytes together, so that a part can be sent anew.

    Raises:
        ApiError: a part too large, an upload that takes none, or a full disk.
    """
    part_id = new_id("part_")
    path = locate_part(store, part_id)
    size, digest = copy_part(stream, path, limit_bytes)
    try:
        route = f"uploads/{upload.id}/parts"
        attempt = Attempt(fingerprint(key_id, route, digest), is_retry, arrived)
        with store.write() as connection:
            known = find_created(store, connection, attempt)
            if known is None:
                _check_room(store, connection, upload, size, limit_bytes)
                row = insert_part(store, connection, id=part_id, upload_id=upload.id, bytes=size)
                note_created(store, connection, attempt, part_id)
                return row
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)
    found = find_part(store, known)
    if found is None:
        raise ApiError(410, "The part of this request is gone.", code="part_deleted")
    return found


def _check_room(
    store: Store, connection: Any, upload: UploadRow, size: int, limit_bytes: int
) -> None:
    _, status = hold_upload(store, connection, upload.id)
    if status != "pending":
        raise refuse_state(status)
    most = max(2 * upload.bytes, upload.bytes + limit_bytes)
    if sum_parts(connection, upload.id) + size > most:
        told = f"The parts of this upload may have {most:,} bytes together."
        raise refuse(told, param="data", code="too_many_bytes")
