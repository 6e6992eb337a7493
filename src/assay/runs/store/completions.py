"""Stored completions: what was asked and answered, with metadata, until their time is over.

Who they are of (the end user that a request named) stands in a table of its own, so that all of a
person's go at once; ratings and corrections go with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    Row,
    Table,
    Text,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from assay.runs.store.connect import Store
from assay.runs.store.kept import Kept
from assay.runs.store.pages import Page, read_page
from assay.runs.store.tables import _id, _json, _seq, metadata

CompletionRow = Row[Any]
"""A row of `completions`."""
PERSON_KEYS = ("user", "safety_identifier")
"""Where a request, or its metadata, names the end user."""

completions = Table(
    "stored_completions",
    metadata,
    _seq(),
    _id(),
    Column("project", Text, nullable=False, index=True),
    Column("key_id", Text, nullable=False, index=True),
    Column("model", Text, nullable=False),
    Column("asked_model", Text, nullable=False),
    _json("metadata"),
    _json("request"),
    _json("response"),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    sqlite_autoincrement=True,
)

pairs = Table(
    "completion_metadata",
    metadata,
    Column("completion_id", Text, ForeignKey("stored_completions.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

persons = Table(
    "completion_persons",
    metadata,
    Column("completion_id", Text, ForeignKey("stored_completions.id"), primary_key=True),
    Column("person", Text, primary_key=True, index=True),
)

feedback = Table(
    "feedback",
    metadata,
    _seq(),
    _id(),
    Column("completion_id", Text, ForeignKey("stored_completions.id"), nullable=False, index=True),
    Column("project", Text, nullable=False, index=True),
    Column("key_id", Text, nullable=False),
    Column("choice", Integer, nullable=False, default=0),
    Column("score", Float),
    _json("correction"),
    Column("comment", Text),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)


KEPT = Kept(
    completions,
    owned=(pairs.c.completion_id, persons.c.completion_id, feedback.c.completion_id),
    person=persons.c.person,
    of_person=persons.c.completion_id,
)


def insert_completion(store: Store, *, retention_s: float, **values: Any) -> None:
    """Keep a completion for `retention_s`; see `completions` for the columns."""
    with store.write() as connection:
        now_s = store.now(connection)
        times = {"created_at": now_s, "expires_at": now_s + retention_s}
        connection.execute(insert(completions).values(**values, **times))
        _write_pairs(connection, values["id"], values["metadata"], values["request"])


def update_metadata(
    store: Store, completion_id: str, project: str, given: Mapping[str, str] | None
) -> CompletionRow | None:
    """Replace the metadata of a completion; None where the project has none of that id."""
    with store.write() as connection:
        query = _query(store, connection, project).where(completions.c.id == completion_id)
        row = connection.execute(query.with_for_update()).first()
        if row is None:
            return None
        _delete_pairs(connection, [completion_id])
        connection.execute(
            update(completions).where(completions.c.id == completion_id).values(metadata=given)
        )
        _write_pairs(connection, completion_id, given, row.request)
        return connection.execute(query).one()


def find_completion(store: Store, completion_id: str, project: str) -> CompletionRow | None:
    """A completion that has not expired; None where the project has none of that id."""
    with store.read() as connection:
        return find_in(store, connection, completion_id, project)


def find_in(
    store: Store, connection: Connection, completion_id: str, project: str
) -> CompletionRow | None:
    """The same within a transaction."""
    query = _query(store, connection, project).where(completions.c.id == completion_id)
    return connection.execute(query).first()


def list_completions(
    store: Store,
    project: str,
    *,
    after: str | None,
    limit: int,
    newest_first: bool,
    model: str | None = None,
    having: Mapping[str, str] | None = None,
) -> Page[CompletionRow] | None:
    """A page of a project's completions; None where `after` is none.

    `having` has pairs that their metadata must have.
    """
    with store.read() as connection:
        query = _query(store, connection, project)
        if model is not None:
            query = query.where(
                or_(completions.c.model == model, completions.c.asked_model == model)
            )
        for key, value in (having or {}).items():
            own = pairs.c.completion_id == completions.c.id
            query = query.where(exists().where(own, pairs.c.key == key, pairs.c.value == value))
        return read_page(
            connection, query, completions, after=after, limit=limit, newest_first=newest_first
        )


def iterate_completions(
    store: Store, project: str, *, page: int = 200
) -> Iterable[tuple[CompletionRow, Sequence[Row[Any]]]]:
    """Every completion of a project with what was said of it, the oldest first."""
    after = None
    while True:
        with store.read() as connection:
            query = _query(store, connection, project)
            found = read_page(
                connection, query, completions, after=after, limit=page, newest_first=False
            )
            if found is None:
                return
            ids = [row.id for row in found.rows]
            said = connection.execute(
                select(feedback).where(feedback.c.completion_id.in_(ids)).order_by(feedback.c.seq)
            ).all()
        for row in found.rows:
            yield row, [one for one in said if one.completion_id == row.id]
        if not found.has_more:
            return
        after = found.rows[-1].id


def _delete_pairs(connection: Connection, ids: Sequence[str]) -> None:
    for table in (pairs, persons):
        connection.execute(delete(table).where(table.c.completion_id.in_(ids)))


def _write_pairs(
    connection: Connection,
    completion_id: str,
    given: Mapping[str, str] | None,
    request: Mapping[str, Any],
) -> None:
    own = {"completion_id": completion_id}
    rows = [{**own, "key": key, "value": value} for key, value in (given or {}).items()]
    named = [source.get(key) for source in (request, given or {}) for key in PERSON_KEYS]
    people = [{**own, "person": one} for one in dict.fromkeys(named) if one]
    for table, values in ((pairs, rows), (persons, people)):
        if values:
            connection.execute(insert(table), values)


def _query(store: Store, connection: Connection, project: str) -> Any:
    is_valid = completions.c.expires_at > store.now(connection)
    return select(completions).where(completions.c.project == project, is_valid)
