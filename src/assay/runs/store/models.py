"""Models that jobs made: the tuned one of each, and its checkpoints; weights lie in folders.

`state` is ``released``, ``held`` (kept, not served), ``overridden`` (held, and served since an
admin said why) or ``unreleased`` (a checkpoint). Folders are named from the store's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from assay.runs.store.connect import Store
from assay.runs.store.pages import Page, read_page
from assay.runs.store.tables import models

ModelRow = Row[Any]
"""A row of `models`: `id` is the name by which it is asked for."""
SERVED = ("released", "overridden")


def insert_model(store: Store, connection: Connection, **values: Any) -> None:
    """Add a model; one of that name that is there already is left as it is."""
    known = connection.execute(select(models.c.seq).where(models.c.id == values["id"])).first()
    if known is None:
        values = {"created_at": store.now(connection), **values}
        connection.execute(insert(models).values(**values))


def find_model(store: Store, name: str) -> ModelRow | None:
    """The model of a name, whatever its state."""
    with store.read() as connection:
        return connection.execute(select(models).where(models.c.id == name)).first()


def list_models(store: Store, states: tuple[str, ...] = SERVED) -> list[ModelRow]:
    """Models in these states, the oldest first."""
    with store.read() as connection:
        query = select(models).where(models.c.state.in_(states)).order_by(models.c.seq)
        return list(connection.execute(query))


def list_checkpoints(
    store: Store, job_id: str, *, after: str | None, limit: int
) -> Page[ModelRow] | None:
    """A page of a job's checkpoints, the newest first; None where `after` is no checkpoint."""
    query = select(models).where(models.c.job_id == job_id, models.c.checkpoint_id.is_not(None))
    with store.read() as connection:
        if after is not None:
            known = select(models.c.id).where(models.c.checkpoint_id == after)
            after = connection.execute(known).scalar() or after
        return read_page(connection, query, models, after=after, limit=limit)


def list_all_checkpoints(store: Store) -> list[ModelRow]:
    """Every checkpoint of every job, the oldest first."""
    with store.read() as connection:
        query = select(models).where(models.c.checkpoint_id.is_not(None)).order_by(models.c.seq)
        return list(connection.execute(query))


def find_checkpoint(store: Store, identity: str) -> ModelRow | None:
    """A checkpoint by its id or by its model's name."""
    either = (models.c.checkpoint_id == identity) | (models.c.id == identity)
    with store.read() as connection:
        return connection.execute(
            select(models).where(either, models.c.checkpoint_id.is_not(None))
        ).first()


def locate_model(store: Store, row: ModelRow) -> Path:
    """The folder of a model's weights."""
    return store.folder / str(row.folder)


def delete_model(store: Store, name: str) -> bool:
    """Forget a model; its run stays on disk. False where there is none of that name."""
    with store.write() as connection:
        return connection.execute(delete(models).where(models.c.id == name)).rowcount > 0
