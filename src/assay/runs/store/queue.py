"""The queue: one worker at a time holds a job, by a lease that it renews; none is lost or doubled.

A lease is a token with an end. Whatever a worker writes of a job it writes under its token, and a
worker whose token is no longer the job's has lost it: it stops, and what it writes is dropped. A
job whose lease ran out is taken by another, which goes on from the newest checkpoint. Where the
clock jumps a lease may end too early; then a job is begun twice, and one of the two is dropped.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection, and_, or_, select, update

from assay.runs.store.connect import Store
from assay.runs.store.events import insert_event
from assay.runs.store.jobs import JobRow
from assay.runs.store.tables import jobs
from assay.runs.store.webhooks import add_job_event

LEASE_S = 30.0
MAX_ATTEMPTS = 3
"""Times that a job is begun or gone on with after workers that did not say why they ended."""
LOST_CODE = "worker_lost"
FAR_S = 600.0
"""No lease and no delay lasts as long: one that ends later was written before the clock was put
back, and is over."""


@dataclass(frozen=True)
class Lease:
    """A worker's hold of a job."""

    job_id: str
    token: str


class Wanted(Enum):
    """What a worker is told when it renews its lease."""

    GO_ON = "go on"
    PAUSE = "pause"
    LOST = "lost"


def claim_run(store: Store, owner: str, *, lease_s: float = LEASE_S) -> Lease | None:
    """Take the next job to run: by priority, then by age; None where there is none.

    Jobs that run out of attempts on the way are failed.
    """
    with store.write() as connection:
        while (row := _find_next(store, connection)) is not None:
            attempts = row.num_attempts + (row.status == "running")
            if attempts < MAX_ATTEMPTS:
                changes = {"status": "running", "num_attempts": attempts}
                return _take(store, connection, row.id, owner, lease_s, changes)
            _fail_lost(store, connection, row, attempts)
    return None


def claim_check(store: Store, owner: str, *, lease_s: float = LEASE_S) -> Lease | None:
    """Take the oldest job whose files are to be checked; None where there is none."""
    with store.write() as connection:
        now_s = store.now(connection)
        job_id = connection.execute(
            select(jobs.c.id)
            .where(jobs.c.status == "validating_files", _is_free(now_s))
            .order_by(jobs.c.seq)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).scalar()
        return None if job_id is None else _take(store, connection, job_id, owner, lease_s, {})


def renew(store: Store, lease: Lease, *, lease_s: float = LEASE_S) -> Wanted:
    """Hold on to a job, and hear what its owner wants."""
    with store.write() as connection:
        until = store.now(connection) + lease_s
        row = connection.execute(
            update(jobs).where(_is_held(lease)).values(lease_until=until).returning(jobs.c.status)
        ).first()
    if row is None:
        return Wanted.LOST
    return Wanted.PAUSE if row.status == "paused" else Wanted.GO_ON


def holds(connection: Connection, lease: Lease) -> bool:
    """Whether a lease is still the job's; it stays so until the transaction ends."""
    query = select(jobs.c.id).where(_is_held(lease)).with_for_update()
    return connection.execute(query).first() is not None


def note(store: Store, lease: Lease, **values: Any) -> bool:
    """Write columns of a job while it is held; False where it is not."""
    with store.write() as connection:
        changed = connection.execute(update(jobs).where(_is_held(lease)).values(**values))
    return changed.rowcount > 0


def let_go(
    store: Store, lease: Lease, status: str, *, delay_s: float = 0.0, crashed: bool = False
) -> bool:
    """Give a job back in `status`; one that its owner paused, or resumed since, keeps its own.

    Args:
        delay_s: before it may be taken again.
        crashed: it counts as an attempt, and the last one fails the job.

    Returns:
        False where the job was no longer held.
    """
    with store.write() as connection:
        row = connection.execute(select(jobs).where(_is_held(lease)).with_for_update()).first()
        if row is None:
            return False
        now_s = store.now(connection)
        attempts = row.num_attempts + crashed
        if crashed and attempts >= MAX_ATTEMPTS and row.status == "running":
            _fail_lost(store, connection, row, attempts)
            return True
        changes: dict[str, Any] = {"num_attempts": attempts, "not_before": now_s + delay_s}
        if row.status in ("running", "validating_files"):
            changes["status"] = status
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(**changes, **_NO_LEASE))
        return True


def finish(store: Store, lease: Lease, status: str, **values: Any) -> bool:
    """End a job that is held; False where it is not, and then nothing is written."""
    with store.write() as connection:
        return finish_in(store, connection, lease, status, **values)


def finish_in(
    store: Store, connection: Connection, lease: Lease, status: str, **values: Any
) -> bool:
    """The same within a transaction, with whatever else must be true of the job's end."""
    changed = connection.execute(
        update(jobs)
        .where(_is_held(lease))
        .values(
            status=status,
            finished_at=store.now(connection),
            estimated_finish=None,
            wanted=None,
            **_NO_LEASE,
            **values,
        )
    )
    if changed.rowcount:
        add_job_event(store, connection, lease.job_id, status)
    return changed.rowcount > 0


_NO_LEASE: dict[str, Any] = {"lease_owner": None, "lease_token": None, "lease_until": None}


def _find_next(store: Store, connection: Connection) -> JobRow | None:
    now_s = store.now(connection)
    is_ready = or_(jobs.c.not_before <= now_s, jobs.c.not_before > now_s + FAR_S)
    waits = and_(jobs.c.status == "queued", is_ready)
    was_left = and_(jobs.c.status == "running", jobs.c.lease_until.is_not(None))
    return connection.execute(
        select(jobs)
        .where(or_(waits, was_left), _is_free(now_s))
        .order_by(jobs.c.priority.desc(), jobs.c.seq)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()


def _take(
    store: Store,
    connection: Connection,
    job_id: str,
    owner: str,
    lease_s: float,
    changes: dict[str, Any],
) -> Lease:
    token = secrets.token_hex(16)
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(
            lease_owner=owner,
            lease_token=token,
            lease_until=store.now(connection) + lease_s,
            **changes,
        )
    )
    return Lease(job_id, token)


def _fail_lost(store: Store, connection: Connection, row: JobRow, attempts: int) -> None:
    message = (
        f"{attempts} workers ended while they ran this job, without a reason: killed, or out of"
        " memory. The run is kept; a new job may try a smaller batch."
    )
    error = {"code": LOST_CODE, "message": message, "param": None}
    connection.execute(
        update(jobs)
        .where(jobs.c.id == row.id)
        .values(
            status="failed",
            error=error,
            num_attempts=attempts,
            finished_at=store.now(connection),
            estimated_finish=None,
            wanted=None,
            **_NO_LEASE,
        )
    )
    insert_event(store, connection, row.id, message, level="error")
    add_job_event(store, connection, row.id, "failed")


def _is_free(now_s: float) -> Any:
    ends = jobs.c.lease_until
    return or_(ends.is_(None), ends < now_s, ends > now_s + FAR_S)


def _is_held(lease: Lease) -> Any:
    return and_(jobs.c.id == lease.job_id, jobs.c.lease_token == lease.token)
