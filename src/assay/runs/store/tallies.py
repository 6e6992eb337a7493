"""How often something happened to a subject, such as a model: counts by minute."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, Integer, Table, Text, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from assay.runs.store.connect import Store
from assay.runs.store.tables import metadata

MINUTE_S = 60.0
KEPT_MINUTES = 30 * 24 * 60
"""Older counts are added up under minute 0."""

tallies = Table(
    "tallies",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("minute", Integer, primary_key=True),
    Column("num", BigInteger, nullable=False),
)


def add_tallies(store: Store, subject: str, counts: Mapping[str, int]) -> None:
    """Add `counts` by kind, now."""
    with store.write() as connection:
        minute = int(store.now(connection) // MINUTE_S)
        # In one order, so that no two transactions wait for each other.
        rows = [
            {"subject": subject, "kind": kind, "minute": minute, "num": num}
            for kind, num in sorted(counts.items())
            if num
        ]
        if rows:
            make = sqlite.insert if store.is_sqlite else postgresql.insert
            added = make(tallies).values(rows)
            keys = [tallies.c.subject, tallies.c.kind, tallies.c.minute]
            total = tallies.c.num + added.excluded.num
            connection.execute(
                added.on_conflict_do_update(index_elements=keys, set_={"num": total})
            )


def read_tallies(store: Store, subject: str, *, since_s: float = 0.0) -> dict[str, int]:
    """Counts by kind, from the minute of `since_s` (seconds since 1970) on."""
    first = int(since_s // MINUTE_S)
    query = (
        select(tallies.c.kind, func.sum(tallies.c.num))
        .where(tallies.c.subject == subject, tallies.c.minute >= first)
        .group_by(tallies.c.kind)
    )
    with store.read() as connection:
        return {str(kind): int(num) for kind, num in connection.execute(query)}


def fold_tallies(store: Store) -> None:
    """Add counts that are older than `KEPT_MINUTES` up, so that the table stays small."""
    with store.write() as connection:
        store.lock(connection, "tallies")
        oldest = int(store.now(connection) // MINUTE_S) - KEPT_MINUTES
        is_old = tallies.c.minute < oldest
        keys = (tallies.c.subject, tallies.c.kind)
        query = select(*keys, func.sum(tallies.c.num)).where(is_old).group_by(*keys)
        rows = connection.execute(query).all()
        connection.execute(delete(tallies).where(is_old))
        if rows:
            values = [{"subject": s, "kind": k, "minute": 0, "num": int(n)} for s, k, n in rows]
            connection.execute(tallies.insert(), values)
