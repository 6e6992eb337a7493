"""What happened to a job, in order; an event that a resumed job tells again is kept once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select

from assay.runs.store.connect import Store
from assay.runs.store.ids import new_id
from assay.runs.store.pages import Page, read_page
from assay.runs.store.tables import events

EventRow = Row[Any]
"""A row of `events`."""


def insert_event(
    store: Store,
    connection: Connection,
    job_id: str,
    message: str,
    *,
    level: str = "info",
    kind: str = "message",
    data: dict[str, Any] | None = None,
    once: str | None = None,
) -> bool:
    """Add an event; False where one of the same `once` is there already."""
    if once is not None:
        known = select(events.c.seq).where(events.c.job_id == job_id, events.c.once == once)
        if connection.execute(known).first() is not None:
            return False
    connection.execute(
        insert(events).values(
            id=new_id("ftevent-"),
            job_id=job_id,
            created_at=store.now(connection),
            level=level,
            type=kind,
            message=message,
            data=data,
            once=once,
        )
    )
    return True


def list_events(
    store: Store, job_id: str, *, after: str | None, limit: int
) -> Page[EventRow] | None:
    """A page of a job's events, the newest first; None where `after` is no event."""
    query = select(events).where(events.c.job_id == job_id)
    with store.read() as connection:
        return read_page(connection, query, events, after=after, limit=limit)
