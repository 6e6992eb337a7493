"""Responses that were asked to be kept, with what was asked; each belongs to one project.

A response that goes on from another names it; what both hold together is read along that chain.
The end user that a request named stands in a table of its own: all of a person's go at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Row,
    Table,
    Text,
    delete,
    exists,
    insert,
    select,
)

from assay.runs.store.connect import Store
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


def delete_response(store: Store, identity: str, project: str) -> bool:
    """Forget a response; False where the project has none of that id."""
    with store.write() as connection:
        return _delete(connection, select(responses.c.id).where(_is_own(identity, project))) > 0


def delete_responses(
    store: Store,
    *,
    project: str | None = None,
    response_id: str | None = None,
    key_id: str | None = None,
    person: str | None = None,
    older_than_s: float | None = None,
) -> int:
    """Remove what fits all that is given, for good; how many.

    Raises:
        ValueError: nothing but a project was given.
    """
    if all(one is None for one in (response_id, key_id, person, older_than_s)):
        raise ValueError("name a response, a key, a person or an age")
    query = select(responses.c.id)
    for column, value in (
        (responses.c.project, project),
        (responses.c.id, response_id),
        (responses.c.key_id, key_id),
    ):
        query = query if value is None else query.where(column == value)
    if person is not None:
        own = persons.c.response_id == responses.c.id
        query = query.where(exists().where(own, persons.c.person == person))
    with store.write() as connection:
        if older_than_s is not None:
            earliest = store.now(connection) - older_than_s
            query = query.where(responses.c.created_at < earliest)
        return _delete(connection, query)


def sweep_responses(store: Store) -> int:
    """Remove those whose time is over; how many."""
    with store.write() as connection:
        is_over = responses.c.expires_at <= store.now(connection)
        return _delete(connection, select(responses.c.id).where(is_over))


def _delete(connection: Connection, query: Any) -> int:
    ids = list(connection.scalars(query))
    for begin in range(0, len(ids), 500):
        some = ids[begin : begin + 500]
        connection.execute(delete(persons).where(persons.c.response_id.in_(some)))
        connection.execute(delete(responses).where(responses.c.id.in_(some)))
    return len(ids)


def _is_own(identity: str, project: str) -> Any:
    return (responses.c.id == identity) & (responses.c.project == project)
