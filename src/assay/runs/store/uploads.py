"""Uploads in parts: rows of uploads and parts, and where the bytes of parts lie.

States: pending → completed or cancelled; a pending one whose time is over has expired. Bytes of
parts lie under their ids, and go when the upload has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Row,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from assay.runs.store.connect import Store
from assay.runs.store.tables import _id, _seq, metadata

UPLOAD_S = 3600.0
"""How long parts may be added; then the upload has expired."""
UploadRow = Row[Any]
"""A row of `uploads`."""

uploads = Table(
    "uploads",
    metadata,
    _seq(),
    _id(),
    Column("project", Text, nullable=False, index=True),
    Column("filename", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("file_expires_after_s", BigInteger),
    Column("status", Text, nullable=False, index=True),
    Column("file_id", Text),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

parts = Table(
    "upload_parts",
    metadata,
    _seq(),
    _id(),
    Column("upload_id", Text, ForeignKey("uploads.id"), nullable=False, index=True),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)


def get_parts_folder(store: Store) -> Path:
    return store.folder / "uploads"


def locate_part(store: Store, part_id: str) -> Path:
    """Where the bytes of a part lie."""
    return get_parts_folder(store) / part_id


def insert_upload(store: Store, connection: Connection, **values: Any) -> UploadRow:
    """Add a pending upload; see `uploads` for the columns."""
    now_s = store.now(connection)
    times = {"created_at": now_s, "expires_at": now_s + UPLOAD_S}
    connection.execute(insert(uploads).values(status="pending", **times, **values))
    return connection.execute(select(uploads).where(uploads.c.id == values["id"])).one()


def find_upload(store: Store, upload_id: str, project: str) -> UploadRow | None:
    """An upload of a project; None where it has none of that id."""
    with store.read() as connection:
        return connection.execute(
            select(uploads).where(uploads.c.id == upload_id, uploads.c.project == project)
        ).first()


def read_status(store: Store, row: UploadRow) -> str:
    """The state of an upload now."""
    with store.read() as connection:
        return _read_status(row, store.now(connection))


def hold_upload(store: Store, connection: Connection, upload_id: str) -> tuple[UploadRow, str]:
    """An upload and its state; nobody changes it until the transaction ends."""
    query = select(uploads).where(uploads.c.id == upload_id).with_for_update()
    row = connection.execute(query).one()
    return row, _read_status(row, store.now(connection))


def insert_part(store: Store, connection: Connection, **values: Any) -> Row[Any]:
    """Add a part; see `parts` for the columns."""
    connection.execute(insert(parts).values(created_at=store.now(connection), **values))
    return connection.execute(select(parts).where(parts.c.id == values["id"])).one()


def find_part(store: Store, part_id: str) -> Row[Any] | None:
    """A part that is kept."""
    with store.read() as connection:
        return connection.execute(select(parts).where(parts.c.id == part_id)).first()


def list_parts(store: Store, upload_id: str) -> dict[str, int]:
    """Bytes of each part of an upload, by id."""
    with store.read() as connection:
        rows = connection.execute(
            select(parts.c.id, parts.c.bytes).where(parts.c.upload_id == upload_id)
        )
        return {str(part_id): int(size) for part_id, size in rows}


def sum_parts(connection: Connection, upload_id: str) -> int:
    """Bytes of all parts of an upload together."""
    query = select(func.coalesce(func.sum(parts.c.bytes), 0))
    return int(connection.execute(query.where(parts.c.upload_id == upload_id)).scalar_one())


def end_upload(
    connection: Connection, upload_id: str, status: str, *, file_id: str | None = None
) -> Sequence[str]:
    """Put an upload into its last state; the ids of its parts, which have no rows any more."""
    own = parts.c.upload_id == upload_id
    part_ids = list(connection.scalars(select(parts.c.id).where(own)))
    connection.execute(delete(parts).where(own))
    connection.execute(
        update(uploads).where(uploads.c.id == upload_id).values(status=status, file_id=file_id)
    )
    return part_ids


def drop_parts(store: Store, part_ids: Sequence[str]) -> None:
    """Remove the bytes of parts that have no rows any more."""
    for part_id in part_ids:
        locate_part(store, part_id).unlink(missing_ok=True)


def sweep_uploads(store: Store, *, older_than_s: float = UPLOAD_S) -> int:
    """End uploads whose time is over, and remove bytes without a row; how many files went.

    Bytes that are younger may belong to a part that is on its way.
    """
    with store.write() as connection:
        now_s = store.now(connection)
        over = select(uploads.c.id).where(
            uploads.c.status == "pending", uploads.c.expires_at <= now_s
        )
        gone = [
            part_id
            for upload_id in connection.scalars(over).all()
            for part_id in end_upload(connection, upload_id, "expired")
        ]
        kept = set(connection.scalars(select(parts.c.id)))
    folder = get_parts_folder(store)
    paths = list(folder.glob("*")) if folder.exists() else []
    left = [
        path.name
        for path in paths
        if path.name not in kept
        and (path.name in gone or path.stat().st_mtime < now_s - older_than_s)
    ]
    drop_parts(store, left)
    return len(left)


def _read_status(row: UploadRow, now_s: float) -> str:
    is_over = row.status == "pending" and row.expires_at <= now_s
    return "expired" if is_over else str(row.status)
