"""Evals, their runs and what came of each row; all of one project each.

A run is worked on under a lease, as jobs are: whoever writes of it holds it, and one whose holder
is gone is gone on with from its first row without a result. States: queued → in_progress →
completed, failed or canceled.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    or_,
    select,
    update,
)

from assay.runs.store.connect import Store
from assay.runs.store.ids import new_id
from assay.runs.store.pages import Page, read_page
from assay.runs.store.tables import _id, _json, _seq, metadata
from assay.runs.store.webhooks import add_event

LEASE_S = 30.0
MAX_ATTEMPTS = 3
"""Times that a run is begun or gone on with after holders that did not say why they ended."""
ENDED = ("completed", "failed", "canceled")
_EVENTS = {"completed": "eval.run.succeeded", "failed": "eval.run.failed"}
_CANCELED_EVENT = "eval.run.canceled"

evals = Table(
    "evals",
    metadata,
    _seq(),
    _id(),
    Column("project", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    _json("metadata"),
    _json("data_source_config"),
    _json("testing_criteria"),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

runs = Table(
    "eval_runs",
    metadata,
    _seq(),
    _id(),
    Column("eval_id", Text, ForeignKey("evals.id"), nullable=False, index=True),
    Column("project", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("model", Text),
    _json("metadata"),
    _json("data_source"),
    Column("status", Text, nullable=False, index=True),
    _json("error"),
    # What the results so far sum up to; written with them.
    _json("totals"),
    Column("created_at", Float, nullable=False),
    Column("num_attempts", Integer, nullable=False, default=0),
    Column("lease_token", Text),
    Column("lease_until", Float),
    Index("eval_runs_queue", "status", "seq"),
    sqlite_autoincrement=True,
)

items = Table(
    "eval_items",
    metadata,
    _seq(),
    _id(),
    Column("run_id", Text, ForeignKey("eval_runs.id"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("status", Text, nullable=False),
    _json("item"),
    _json("sample"),
    _json("results"),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("run_id", "number"),
    sqlite_autoincrement=True,
)

EvalRow = Row[Any]
"""A row of `evals`."""
RunRow = Row[Any]
"""A row of `eval_runs`."""
ItemRow = Row[Any]
"""A row of `eval_items`."""


class RunEnded(Exception):
    """A run has ended, as its `status` says."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class RunLease:
    """A holder's hold of a run."""

    run_id: str
    token: str


def insert_eval(store: Store, connection: Connection, **values: Any) -> EvalRow:
    """Add an eval; see `evals` for the columns."""
    identity = new_id("eval_")
    connection.execute(
        insert(evals).values(id=identity, created_at=store.now(connection), **values)
    )
    return connection.execute(select(evals).where(evals.c.id == identity)).one()


def find_eval(store: Store, identity: str, project: str) -> EvalRow | None:
    """The eval of an id, if it is the project's."""
    with store.read() as connection:
        return connection.execute(select(evals).where(_is_own(identity, project))).first()


def list_evals(
    store: Store, project: str, *, after: str | None, limit: int, newest_first: bool
) -> Page[EvalRow] | None:
    """A page of a project's evals; None where `after` is none."""
    query = select(evals).where(evals.c.project == project)
    with store.read() as connection:
        return read_page(
            connection, query, evals, after=after, limit=limit, newest_first=newest_first
        )


def change_eval(store: Store, identity: str, project: str, **values: Any) -> EvalRow | None:
    """Write columns of an eval; None where the project has none of that id."""
    with store.write() as connection:
        if values:
            connection.execute(update(evals).where(_is_own(identity, project)).values(**values))
        return connection.execute(select(evals).where(_is_own(identity, project))).first()


def delete_eval(store: Store, identity: str, project: str) -> bool:
    """Remove an eval with its runs; False where the project has none of that id."""
    with store.write() as connection:
        query = select(evals.c.id).where(_is_own(identity, project)).with_for_update()
        if connection.execute(query).first() is None:
            return False
        _delete_runs(connection, runs.c.eval_id == identity)
        connection.execute(delete(evals).where(evals.c.id == identity))
    return True


def insert_run(store: Store, connection: Connection, **values: Any) -> RunRow:
    """Add a run that waits for its turn; see `runs` for the columns."""
    identity = new_id("evalrun_")
    connection.execute(
        insert(runs).values(
            id=identity,
            status="queued",
            num_attempts=0,
            totals={},
            created_at=store.now(connection),
            **values,
        )
    )
    return connection.execute(select(runs).where(runs.c.id == identity)).one()


def find_run(store: Store, eval_id: str, run_id: str) -> RunRow | None:
    """The run of an eval."""
    with store.read() as connection:
        return connection.execute(
            select(runs).where(runs.c.id == run_id, runs.c.eval_id == eval_id)
        ).first()


def list_runs(
    store: Store,
    eval_id: str,
    *,
    after: str | None,
    limit: int,
    newest_first: bool,
    status: str | None,
) -> Page[RunRow] | None:
    """A page of an eval's runs; None where `after` is none."""
    query = select(runs).where(runs.c.eval_id == eval_id)
    if status is not None:
        query = query.where(runs.c.status == status)
    with store.read() as connection:
        return read_page(
            connection, query, runs, after=after, limit=limit, newest_first=newest_first
        )


def cancel_run(store: Store, run_id: str) -> RunRow:
    """End a run at once; whoever works on it finds that it holds it no more.

    Raises:
        RunEnded: it has ended.
    """
    with store.write() as connection:
        query = select(runs).where(runs.c.id == run_id)
        row = connection.execute(query.with_for_update()).one()
        if row.status in ENDED:
            raise RunEnded(row.status)
        ending = {"status": "canceled", **_NO_LEASE}
        connection.execute(update(runs).where(runs.c.id == run_id).values(**ending))
        add_event(store, connection, _CANCELED_EVENT, run_id, project=row.project)
        return connection.execute(query).one()


def delete_run(store: Store, run_id: str) -> None:
    """Remove a run and its results."""
    with store.write() as connection:
        _delete_runs(connection, runs.c.id == run_id)


def list_items(
    store: Store,
    run_id: str,
    *,
    after: str | None,
    limit: int,
    newest_first: bool,
    status: str | None,
) -> Page[ItemRow] | None:
    """A page of a run's results; None where `after` is none."""
    query = select(items).where(items.c.run_id == run_id)
    if status is not None:
        query = query.where(items.c.status == status)
    with store.read() as connection:
        return read_page(
            connection, query, items, after=after, limit=limit, newest_first=newest_first
        )


def find_item(store: Store, run_id: str, item_id: str) -> ItemRow | None:
    """One result of a run."""
    with store.read() as connection:
        return connection.execute(
            select(items).where(items.c.run_id == run_id, items.c.id == item_id)
        ).first()


def claim_run(
    store: Store, *, asks_models: bool, lease_s: float = LEASE_S
) -> tuple[RunLease, RunRow] | None:
    """Take the oldest run that waits, or whose holder is gone; None where there is none.

    Args:
        asks_models: whether the taker may work on runs that ask a model.
    """
    with store.read() as connection:
        if connection.execute(_query_free(store.now(connection), asks_models)).first() is None:
            return None
    with store.write() as connection:
        while True:
            query = _query_free(store.now(connection), asks_models)
            row = connection.execute(query.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            attempts = row.num_attempts + (row.status == "in_progress")
            if attempts < MAX_ATTEMPTS:
                return _take(store, connection, row, attempts, lease_s), row
            message = f"{attempts} servers ended while they worked on this run, without a reason."
            _end(store, connection, row, "failed", {"code": "worker_lost", "message": message})


def renew(store: Store, lease: RunLease, *, lease_s: float = LEASE_S) -> bool:
    """Hold on to a run; False where it was canceled, deleted, or taken by another."""
    with store.write() as connection:
        until = store.now(connection) + lease_s
        held = connection.execute(update(runs).where(_is_held(lease)).values(lease_until=until))
    return held.rowcount > 0


def let_go(store: Store, lease: RunLease) -> None:
    """Give a run back, for another to go on with at once."""
    with store.write() as connection:
        again = {"status": "queued", **_NO_LEASE}
        connection.execute(update(runs).where(_is_held(lease)).values(**again))


def list_done(store: Store, run_id: str) -> set[int]:
    """The numbers of the rows that have a result."""
    with store.read() as connection:
        return set(connection.scalars(select(items.c.number).where(items.c.run_id == run_id)))


def add_items(
    store: Store, lease: RunLease, results: Sequence[Mapping[str, Any]], totals: Mapping[str, Any]
) -> bool:
    """Write results, and what all sum up to now; nothing where the run is not held (False)."""
    with store.write() as connection:
        held = connection.execute(update(runs).where(_is_held(lease)).values(totals=dict(totals)))
        if not held.rowcount:
            return False
        now_s = store.now(connection)
        own = {"run_id": lease.run_id, "created_at": now_s}
        given = [{"id": new_id("outputitem_"), **own, **one} for one in results]
        if given:
            connection.execute(insert(items), given)
    return True


def finish_run(
    store: Store, lease: RunLease, status: str, *, error: dict[str, str] | None = None
) -> bool:
    """End a run that is held; False where it is not, and then nothing is written."""
    with store.write() as connection:
        query = select(runs).where(_is_held(lease)).with_for_update()
        row = connection.execute(query).first()
        if row is not None:
            _end(store, connection, row, status, error)
    return row is not None


_NO_LEASE: dict[str, Any] = {"lease_token": None, "lease_until": None}


def _end(
    store: Store,
    connection: Connection,
    row: RunRow,
    status: str,
    error: dict[str, str] | None,
) -> None:
    ending = {"status": status, "error": error, **_NO_LEASE}
    connection.execute(update(runs).where(runs.c.id == row.id).values(**ending))
    add_event(store, connection, _EVENTS[status], row.id, project=row.project)


def _take(
    store: Store, connection: Connection, row: RunRow, attempts: int, lease_s: float
) -> RunLease:
    lease = RunLease(row.id, secrets.token_hex(16))
    taken = {
        "status": "in_progress",
        "num_attempts": attempts,
        "lease_token": lease.token,
        "lease_until": store.now(connection) + lease_s,
    }
    connection.execute(update(runs).where(runs.c.id == row.id).values(**taken))
    return lease


def _query_free(now_s: float, asks_models: bool) -> Any:
    is_free = or_(runs.c.lease_until.is_(None), runs.c.lease_until < now_s)
    query = select(runs).where(runs.c.status.in_(("queued", "in_progress")), is_free)
    if not asks_models:
        query = query.where(runs.c.model.is_(None))
    return query.order_by(runs.c.seq).limit(1)


def _delete_runs(connection: Connection, chosen: Any) -> None:
    gone = select(runs.c.id).where(chosen)
    connection.execute(delete(items).where(items.c.run_id.in_(gone)))
    connection.execute(delete(runs).where(chosen))


def _is_held(lease: RunLease) -> Any:
    return (runs.c.id == lease.run_id) & (runs.c.lease_token == lease.token)


def _is_own(identity: str, project: str) -> Any:
    return (evals.c.id == identity) & (evals.c.project == project)
