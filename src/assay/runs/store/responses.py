"""Responses that were asked to be kept, with what was asked; each belongs to one project.

A response that goes on from another names it; what both hold together is read along that chain.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Float, Row, Table, Text, delete, insert, select

from assay.runs.store.connect import Store
from assay.runs.store.tables import _id, _json, _seq, metadata

KEPT_S = 30 * 86_400.0
"""How long a response is kept, as OpenAI keeps them."""

responses = Table(
    "responses",
    metadata,
    _seq(),
    _id(),
    Column("project", Text, nullable=False, index=True),
    Column("key_id", Text, nullable=False, index=True),
    Column("previous", Text),
    # Items that were asked, then the whole answer, as they are shown.
    _json("input"),
    _json("response"),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    sqlite_autoincrement=True,
)

ResponseRow = Row[Any]
"""A row of `responses`."""


def keep_response(store: Store, **values: Any) -> None:
    """Keep a response for `KEPT_S`; those whose time is over go."""
    with store.write() as connection:
        now_s = store.now(connection)
        connection.execute(delete(responses).where(responses.c.expires_at <= now_s))
        connection.execute(
            insert(responses).values(created_at=now_s, expires_at=now_s + KEPT_S, **values)
        )


def find_response(store: Store, identity: str, project: str) -> ResponseRow | None:
    """The response of an id, if it is the project's and still kept."""
    with store.read() as connection:
        query = select(responses).where(_is_own(identity, project))
        return connection.execute(
            query.where(responses.c.expires_at > store.now(connection))
        ).first()


def read_chain(store: Store, identity: str, project: str) -> list[ResponseRow] | None:
    """A response after all that it goes on from, the oldest first; None where any is gone."""
    chain: list[ResponseRow] = []
    wanted: str | None = identity
    while wanted is not None:
        row = find_response(store, wanted, project)
        if row is None:
            return None
        chain.append(row)
        wanted = row.previous
    return chain[::-1]


def delete_response(store: Store, identity: str, project: str) -> bool:
    """Forget a response; False where the project has none of that id."""
    with store.write() as connection:
        return connection.execute(delete(responses).where(_is_own(identity, project))).rowcount > 0


def _is_own(identity: str, project: str) -> Any:
    return (responses.c.id == identity) & (responses.c.project == project)
