"""Which other projects may use a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select

from assay.runs.store.connect import Store
from assay.runs.store.ids import new_id
from assay.runs.store.pages import Page, read_page
from assay.runs.store.tables import keys, permissions

PermissionRow = Row[Any]
"""A row of `permissions`."""


def list_projects(store: Store) -> set[str]:
    """Every project that a key belongs to."""
    with store.read() as connection:
        return set(connection.scalars(select(keys.c.project).distinct()))


def allow(store: Store, checkpoint: str, projects: Sequence[str]) -> list[PermissionRow]:
    """Let projects use a checkpoint; one that may already is given back as it is."""
    with store.write() as connection:
        found = []
        for project in dict.fromkeys(projects):
            query = select(permissions).where(
                permissions.c.checkpoint == checkpoint, permissions.c.project == project
            )
            if connection.execute(query).first() is None:
                connection.execute(
                    insert(permissions).values(
                        id=new_id("cp_"),
                        checkpoint=checkpoint,
                        project=project,
                        created_at=store.now(connection),
                    )
                )
            found.append(connection.execute(query).one())
        return found


def list_permissions(
    store: Store,
    checkpoint: str,
    *,
    after: str | None,
    limit: int,
    newest_first: bool,
    project: str | None,
) -> Page[PermissionRow] | None:
    """A page of a checkpoint's permissions; None where `after` is none."""
    query = select(permissions).where(permissions.c.checkpoint == checkpoint)
    if project is not None:
        query = query.where(permissions.c.project == project)
    with store.read() as connection:
        return read_page(
            connection, query, permissions, after=after, limit=limit, newest_first=newest_first
        )


def forbid(store: Store, checkpoint: str, permission_id: str) -> bool:
    """Take a permission back; False where the checkpoint has none of that id."""
    with store.write() as connection:
        gone = connection.execute(
            delete(permissions).where(
                permissions.c.checkpoint == checkpoint, permissions.c.id == permission_id
            )
        )
    return gone.rowcount > 0
