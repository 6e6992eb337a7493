"""Batches: many requests in one file, their results as they come, and who runs them.

States: validating → in_progress → finalizing → completed; failed where the file is refused;
cancelling → cancelled; expired. A result is one row of its line, so that none is there twice; rows
become files, and go, in the transaction that ends the batch. Whoever runs a batch holds it by a
lease, as workers hold jobs.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    Row,
    Table,
    Text,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from assay.runs.store.connect import Store
from assay.runs.store.pages import Page, read_page
from assay.runs.store.queue import Lease
from assay.runs.store.tables import _id, _json, _seq, metadata
from assay.runs.store.webhooks import add_event

BatchRow = Row[Any]
"""A row of `batches`."""
RUNNING = ("validating", "in_progress", "finalizing", "cancelling")
"""States of batches that have not ended."""
WINDOW_S = 24 * 3600.0
LEASE_S = 15.0
_NO_LEASE: dict[str, Any] = {"lease_owner": None, "lease_token": None, "lease_until": None}

batches = Table(
    "batches",
    metadata,
    _seq(),
    _id(),
    Column("project", Text, nullable=False, index=True),
    Column("key_id", Text, nullable=False),
    Column("status", Text, nullable=False, index=True),
    Column("endpoint", Text, nullable=False),
    Column("input_file_id", Text, nullable=False, index=True),
    Column("output_file_id", Text),
    Column("error_file_id", Text),
    Column("output_expires_after_s", BigInteger),
    Column("model", Text),
    _json("metadata"),
    _json("errors"),
    _json("usage"),
    Column("num_total", Integer, nullable=False, default=0),
    Column("num_completed", Integer, nullable=False, default=0),
    Column("num_failed", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("in_progress_at", Float),
    Column("finalizing_at", Float),
    Column("completed_at", Float),
    Column("failed_at", Float),
    Column("expired_at", Float),
    Column("cancelling_at", Float),
    Column("cancelled_at", Float),
    Column("lease_owner", Text),
    Column("lease_token", Text),
    Column("lease_until", Float),
    sqlite_autoincrement=True,
)

results = Table(
    "batch_results",
    metadata,
    Column("batch_id", Text, ForeignKey("batches.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("is_error", Integer, nullable=False),
    Column("content", Text, nullable=False),
)


def insert_batch(store: Store, connection: Connection, **values: Any) -> None:
    """Add a batch whose file is to be validated; see `batches` for the columns."""
    now_s = store.now(connection)
    times = {"created_at": now_s, "expires_at": now_s + WINDOW_S}
    counts = {"num_total": 0, "num_completed": 0, "num_failed": 0}
    connection.execute(insert(batches).values(status="validating", **times, **counts, **values))


def find_batch(store: Store, batch_id: str, project: str) -> BatchRow | None:
    """A batch of a project; None where it has none of that id."""
    with store.read() as connection:
        return connection.execute(
            select(batches).where(batches.c.id == batch_id, batches.c.project == project)
        ).first()


def list_batches(
    store: Store, project: str, *, after: str | None, limit: int
) -> Page[BatchRow] | None:
    """A page of a project's batches, the newest first; None where `after` is none."""
    query = select(batches).where(batches.c.project == project)
    with store.read() as connection:
        return read_page(connection, query, batches, after=after, limit=limit)


def find_reader(connection: Connection, file_id: str) -> str | None:
    """A batch that has not ended and reads the file; None where no such batch does."""
    found = connection.execute(
        select(batches.c.id).where(
            batches.c.input_file_id == file_id, batches.c.status.in_(RUNNING)
        )
    ).scalar()
    return None if found is None else str(found)


def cancel_batch(store: Store, batch_id: str) -> str | None:
    """Have a batch end as soon as its requests under way let go; its state, where that forbids."""
    with store.write() as connection:
        query = select(batches.c.status).where(batches.c.id == batch_id).with_for_update()
        status = str(connection.execute(query).scalar_one())
        if status == "cancelling":
            return None
        if status not in ("validating", "in_progress"):
            return status
        connection.execute(
            update(batches)
            .where(batches.c.id == batch_id)
            .values(status="cancelling", cancelling_at=store.now(connection))
        )
        return None


def claim_batch(store: Store, owner: str, *, lease_s: float = LEASE_S) -> Lease | None:
    """Take the oldest batch that nobody runs; None where there is none."""
    with store.read() as connection:
        if connection.execute(_find_free(store, connection)).first() is None:
            return None
    with store.write() as connection:
        query = _find_free(store, connection).with_for_update(skip_locked=True)
        batch_id = connection.execute(query).scalar()
        if batch_id is None:
            return None
        lease = Lease(str(batch_id), secrets.token_hex(16))
        until = store.now(connection) + lease_s
        held = {"lease_owner": owner, "lease_token": lease.token, "lease_until": until}
        connection.execute(update(batches).where(batches.c.id == batch_id).values(**held))
        return lease


def renew_batch(store: Store, lease: Lease, *, lease_s: float = LEASE_S) -> BatchRow | None:
    """Hold on to a batch, and see it as it is now; None where somebody else holds it."""
    with store.write() as connection:
        until = store.now(connection) + lease_s
        connection.execute(update(batches).where(_is_held(lease)).values(lease_until=until))
        return connection.execute(select(batches).where(_is_held(lease))).first()


def release_batch(store: Store, lease: Lease) -> None:
    """Let others take a batch at once: this process ends."""
    with store.write() as connection:
        connection.execute(update(batches).where(_is_held(lease)).values(**_NO_LEASE))


def begin_batch(store: Store, lease: Lease, *, num_total: int, model: str | None) -> bool:
    """The file is in order; False where the batch is no longer held, or was cancelled."""
    return _move(
        store,
        lease,
        ("validating",),
        status="in_progress",
        at="in_progress_at",
        num_total=num_total,
        model=model,
    )


def begin_finalizing(store: Store, lease: Lease) -> bool:
    """All lines have results; False where the batch is no longer held, or was cancelled."""
    return _move(store, lease, ("in_progress",), status="finalizing", at="finalizing_at")


def fail_batch(store: Store, lease: Lease, errors: list[dict[str, Any]]) -> bool:
    """The file is refused; False where the batch is no longer held, or was cancelled."""
    with store.write() as connection:
        held = and_(_is_held(lease), batches.c.status == "validating")
        failed = connection.execute(
            update(batches)
            .where(held)
            .values(status="failed", errors=errors, failed_at=store.now(connection), **_NO_LEASE)
        )
        if failed.rowcount:
            _tell(store, connection, lease.job_id, "failed")
    return failed.rowcount > 0


def _move(
    store: Store, lease: Lease, states: tuple[str, ...], *, status: str, at: str, **values: Any
) -> bool:
    with store.write() as connection:
        changed = connection.execute(
            update(batches)
            .where(_is_held(lease), batches.c.status.in_(states))
            .values({"status": status, at: store.now(connection), **values})
        )
    return changed.rowcount > 0


def add_result(store: Store, lease: Lease, line: int, *, is_error: bool, content: str) -> bool:
    """Keep the result of a line, once; False where the batch is no longer held."""
    with store.write() as connection:
        counted = batches.c.num_failed if is_error else batches.c.num_completed
        changed = connection.execute(
            update(batches).where(_is_held(lease)).values({counted: counted + 1})
        )
        if not changed.rowcount:
            return False
        own = {"batch_id": lease.job_id, "line": line, "is_error": int(is_error)}
        connection.execute(insert(results).values(content=content, **own))
        return True


def list_done(store: Store, batch_id: str) -> set[int]:
    """Lines that have results."""
    with store.read() as connection:
        query = select(results.c.line).where(results.c.batch_id == batch_id)
        return set(connection.scalars(query))


def iterate_results(store: Store, batch_id: str, *, is_error: bool) -> Iterator[str]:
    """Results of one kind in the order of their lines, some at a time."""
    last = -1
    while True:
        query = select(results.c.line, results.c.content).where(
            results.c.batch_id == batch_id,
            results.c.is_error == int(is_error),
            results.c.line > last,
        )
        with store.read() as connection:
            rows = connection.execute(query.order_by(results.c.line).limit(500)).all()
        for row in rows:
            yield str(row.content)
        if not rows:
            return
        last = int(rows[-1].line)


def end_batch(
    store: Store, connection: Connection, lease: Lease, status: str, **values: Any
) -> bool:
    """End a batch in the transaction that makes its files; False where it is not held."""
    allowed = {"completed": ("finalizing",), "cancelled": ("cancelling",)}.get(status, RUNNING)
    ended = connection.execute(
        update(batches)
        .where(_is_held(lease), batches.c.status.in_(allowed))
        .values({"status": status, f"{status}_at": store.now(connection), **values, **_NO_LEASE})
    )
    if not ended.rowcount:
        return False
    connection.execute(delete(results).where(results.c.batch_id == lease.job_id))
    _tell(store, connection, lease.job_id, status)
    return True


def _tell(store: Store, connection: Connection, batch_id: str, status: str) -> None:
    query = select(batches.c.project).where(batches.c.id == batch_id)
    project = str(connection.execute(query).scalar_one())
    add_event(store, connection, f"batch.{status}", batch_id, project=project)


def _find_free(store: Store, connection: Connection) -> Any:
    now_s = store.now(connection)
    free = or_(batches.c.lease_until.is_(None), batches.c.lease_until < now_s)
    query = select(batches.c.id).where(batches.c.status.in_(RUNNING), free)
    return query.order_by(batches.c.seq).limit(1)


def _is_held(lease: Lease) -> Any:
    return and_(batches.c.id == lease.job_id, batches.c.lease_token == lease.token)
