"""Rows of files, and where their bytes lie: under their ids, never under a client's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select

from assay.runs.store.batches import find_reader
from assay.runs.store.connect import Store
from assay.runs.store.pages import Page, read_page
from assay.runs.store.tables import files, jobs

File = Row[Any]
"""A row of `files`."""
ENDED = ("succeeded", "failed", "cancelled")
"""States in which a job reads no file any more."""


def get_folder(store: Store) -> Path:
    return store.folder / "files"


def locate_file(store: Store, file_id: str) -> Path:
    """Where the bytes of a file lie."""
    return get_folder(store) / file_id


def insert_file(connection: Connection, **values: Any) -> File:
    """Add a row; see `tables.files` for its columns."""
    connection.execute(insert(files).values(**values))
    return connection.execute(select(files).where(files.c.id == values["id"])).one()


def find_file(store: Store, file_id: str, project: str | None = None) -> File | None:
    """A file that is there and has not expired; of a project, if one is given."""
    query = select(files).where(files.c.id == file_id)
    if project is not None:
        query = query.where(files.c.project == project)
    with store.read() as connection:
        return connection.execute(query.where(_is_valid(store.now(connection)))).first()


def find_named(store: Store, filename: str) -> list[str]:
    """Ids of the files that are shown by a name, the oldest first."""
    with store.read() as connection:
        query = select(files.c.id).where(files.c.filename == filename).order_by(files.c.seq)
        return list(connection.scalars(query))


def list_files(
    store: Store,
    project: str,
    *,
    after: str | None,
    limit: int,
    newest_first: bool,
    purpose: str | None,
) -> Page[File] | None:
    """A page of a project's files that have not expired; None where `after` is no file."""
    with store.read() as connection:
        query = select(files).where(files.c.project == project, _is_valid(store.now(connection)))
        if purpose is not None:
            query = query.where(files.c.purpose == purpose)
        return read_page(
            connection, query, files, after=after, limit=limit, newest_first=newest_first
        )


def find_user(connection: Connection, file_id: str) -> str | None:
    """A job or batch that has not ended and reads the file; None where no such does."""
    found = connection.execute(
        select(jobs.c.id).where(
            or_(jobs.c.training_file == file_id, jobs.c.validation_file == file_id),
            jobs.c.status.not_in(ENDED),
        )
    ).scalar()
    return find_reader(connection, file_id) if found is None else str(found)


def delete_file(store: Store, file_id: str) -> str | None:
    """Remove a file for good; the id of what still reads it, a job or a batch.

    The bytes go last: a file without a row is swept away at the next start.
    """
    with store.write() as connection:
        user = find_user(connection, file_id)
        if user is not None:
            return user
        connection.execute(delete(files).where(files.c.id == file_id))
    locate_file(store, file_id).unlink(missing_ok=True)
    return None


def sweep_files(store: Store, *, older_than_s: float = 3600.0) -> int:
    """Remove files that have expired, and bytes without a row that a crash left; how many.

    Bytes that are younger may belong to an upload that is going on.
    """
    with store.write() as connection:
        now_s = store.now(connection)
        for file_id in connection.scalars(select(files.c.id).where(~_is_valid(now_s))).all():
            if find_user(connection, file_id) is None:
                connection.execute(delete(files).where(files.c.id == file_id))
        kept = set(connection.scalars(select(files.c.id)))
    folder = get_folder(store)
    paths = [path for path in folder.glob("*") if path.name not in kept] if folder.exists() else []
    left = [path for path in paths if path.stat().st_mtime < now_s - older_than_s]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _is_valid(now_s: float) -> Any:
    return or_(files.c.expires_at.is_(None), files.c.expires_at > now_s)
