"""Pages of a table by cursor: what comes after the row of an id, in the order of their making."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Row, Select, Table, select

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows, and whether more follow."""

    rows: Sequence[T]
    has_more: bool


def read_page(
    connection: Connection,
    query: Select[Any],
    table: Table,
    *,
    after: str | None,
    limit: int,
    newest_first: bool = True,
) -> Page[Row[Any]] | None:
    """At most `limit` rows of `query` past the one whose id is `after`; None for an unknown id.

    New rows come before all (newest first) or after all, so that going on meets each row once.
    """
    seq = table.c.seq
    if after is not None:
        start = connection.execute(select(seq).where(table.c.id == after)).scalar()
        if start is None:
            return None
        query = query.where(seq < start if newest_first else seq > start)
    ordered = query.order_by(seq.desc() if newest_first else seq.asc()).limit(limit + 1)
    rows = connection.execute(ordered).all()
    return Page(rows[:limit], len(rows) > limit)
