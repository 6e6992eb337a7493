"""Responses that were asked to be kept, with what was asked; each belongs to one project.

A response that goes on from another names it; what both hold together is read along that chain.
The end user that a request named stands in a table of its own: all of a person's go at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Row,
    Table,
    Text,
    insert,
    select,
)

from assay.runs.store.connect import Store
from assay.runs.store.kept import Kept
from assay.runs.store.tables import _id, _json, _seq, metadata

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

persons = Table(
    "response_persons",
    metadata,
    Column("response_id", Text, ForeignKey("responses.id"), primary_key=True),
    Column("person", Text, primary_key=True, index=True),
)

KEPT = Kept(
    responses,
    owned=(persons.c.response_id,),
    person=persons.c.person,
    of_person=persons.c.response_id,
)

ResponseRow = Row[Any]
"""A row of `responses`."""


def keep_response(
    store: Store, *, retention_s: float, people: Iterable[str], **values: Any
) -> None:
    """Keep a response for `retention_s`; see `responses` for the columns."""
    with store.write() as connection:
        now_s = store.now(connection)
        times = {"created_at": now_s, "expires_at": now_s + retention_s}
        connection.execute(insert(responses).values(**times, **values))
        named = [{"response_id": values["id"], "person": one} for one in dict.fromkeys(people)]
        if named:
            connection.execute(insert(persons), named)


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


def _is_own(identity: str, project: str) -> Any:
    return (responses.c.id == identity) & (responses.c.project == project)
