"""How what is kept of requests goes again: by id, key, person or age, or when its time is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, select

from assay.runs.store.connect import Store


@dataclass(frozen=True)
class Kept:
    """A table of what is kept, and what goes with each of its rows.

    Attributes:
        table: has `id`, `project`, `key_id`, `created_at` and `expires_at`.
        owned: columns of other tables that hold an `id` of it.
        person, of_person: names of end users, and beside them the `id` of what is theirs.
    """

    table: Table
    owned: Sequence[Column[Any]]
    person: Column[Any]
    of_person: Column[Any]


def delete_kept(
    store: Store,
    kept: Kept,
    *,
    project: str | None = None,
    identity: str | None = None,
    key_id: str | None = None,
    person: str | None = None,
    older_than_s: float | None = None,
) -> int:
    """Remove what fits all that is given, for good; how many.

    Raises:
        ValueError: nothing but a project was given.
    """
    if all(one is None for one in (identity, key_id, person, older_than_s)):
        raise ValueError("name an id, a key, a person or an age")
    columns = kept.table.c
    query = select(columns.id)
    for column, value in (
        (columns.project, project),
        (columns.id, identity),
        (columns.key_id, key_id),
    ):
        query = query if value is None else query.where(column == value)
    if person is not None:
        query = query.where(columns.id.in_(select(kept.of_person).where(kept.person == person)))
    with store.write() as connection:
        if older_than_s is not None:
            query = query.where(columns.created_at < store.now(connection) - older_than_s)
        return _delete(connection, kept, query)


def sweep_kept(store: Store, kept: Kept) -> int:
    """Remove what has outlived its time; how many."""
    columns = kept.table.c
    with store.write() as connection:
        is_over = columns.expires_at <= store.now(connection)
        return _delete(connection, kept, select(columns.id).where(is_over))


def _delete(connection: Connection, kept: Kept, query: Any) -> int:
    ids = list(connection.scalars(query))
    for begin in range(0, len(ids), 500):
        some = ids[begin : begin + 500]
        for column in (*kept.owned, kept.table.c.id):
            connection.execute(delete(column.table).where(column.in_(some)))
    return len(ids)
