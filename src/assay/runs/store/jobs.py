"""Rows of jobs: made, found, listed, and asked by their owner to stop or go on.

States: validating_files → queued → running → succeeded, failed or cancelled; and paused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, select, update

from assay.runs.store.connect import Store
from assay.runs.store.owners import is_owned
from assay.runs.store.pages import Page, read_page
from assay.runs.store.tables import job_metadata, jobs
from assay.runs.store.webhooks import add_job_event

JobRow = Row[Any]
"""A row of `jobs`."""
ENDED = ("succeeded", "failed", "cancelled")
WAITING = ("validating_files", "queued")
NO_METADATA = "null"
"""What asks for jobs that have none."""
_LEASE_GONE = {"lease_owner": None, "lease_token": None, "lease_until": None}


class StateConflict(Exception):
    """A job's state does not allow what was asked; `status` is that state."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


def insert_job(connection: Connection, **values: Any) -> JobRow:
    """Add a row, and its metadata to be searched by; see `tables.jobs` for the columns."""
    connection.execute(insert(jobs).values(**values))
    pairs = [
        {"job_id": values["id"], "key": key, "value": value}
        for key, value in (values.get("metadata") or {}).items()
    ]
    if pairs:
        connection.execute(insert(job_metadata), pairs)
    return connection.execute(select(jobs).where(jobs.c.id == values["id"])).one()


def find_job(store: Store, job_id: str, project: str | None = None) -> JobRow | None:
    """The job of an id; of a project, if one is given."""
    query = select(jobs).where(jobs.c.id == job_id)
    if project is not None:
        query = query.where(is_owned(project))
    with store.read() as connection:
        return connection.execute(query).first()


def list_jobs(
    store: Store,
    project: str,
    *,
    after: str | None,
    limit: int,
    metadata: Mapping[str, str] | str | None,
) -> Page[JobRow] | None:
    """A page of a project's jobs, the newest first; None where `after` is no job.

    `metadata` has pairs that a job must have, or `NO_METADATA` for jobs without any.
    """
    query = select(jobs).where(is_owned(project))
    if metadata == NO_METADATA:
        query = query.where(~exists().where(job_metadata.c.job_id == jobs.c.id))
    elif isinstance(metadata, Mapping):
        for key, value in metadata.items():
            pair = (job_metadata.c.key == key) & (job_metadata.c.value == value)
            query = query.where(exists().where(job_metadata.c.job_id == jobs.c.id, pair))
    with store.read() as connection:
        return read_page(connection, query, jobs, after=after, limit=limit)


def count_by_status(store: Store) -> dict[str, int]:
    """How many jobs are in each state."""
    with store.read() as connection:
        rows = connection.execute(select(jobs.c.status, func.count()).group_by(jobs.c.status))
        return {str(status): int(count) for status, count in rows}


def cancel_job(store: Store, job_id: str) -> JobRow:
    """End a job at once; whoever runs it loses its lease, and stops when it next looks.

    Raises:
        StateConflict: it has ended.
    """
    return _change(
        store,
        job_id,
        (*WAITING, "running", "paused"),
        lambda row, now_s: {
            "status": "cancelled",
            "finished_at": now_s,
            "estimated_finish": None,
            "wanted": None,
            **_LEASE_GONE,
        },
    )


def pause_job(store: Store, job_id: str) -> JobRow:
    """Have a job stop where it is; whoever runs it saves a checkpoint before letting go of it.

    Raises:
        StateConflict: it has ended, or pauses.
    """
    return _change(
        store,
        job_id,
        (*WAITING, "running"),
        lambda row, now_s: {
            "status": "paused",
            "estimated_finish": None,
            # Where its files were not checked yet, they are when it goes on.
            "wanted": "validate" if row.status == "validating_files" else "pause",
        },
    )


def resume_job(store: Store, job_id: str) -> JobRow:
    """Have a paused job go on from its checkpoint, when its turn comes.

    Raises:
        StateConflict: it is not paused.
    """
    return _change(
        store,
        job_id,
        ("paused",),
        lambda row, now_s: {
            "status": "validating_files" if row.wanted == "validate" else "queued",
            "wanted": None,
            "not_before": 0.0,
        },
    )


def _change(store: Store, job_id: str, allowed: tuple[str, ...], values: Any) -> JobRow:
    with store.write() as connection:
        query = select(jobs).where(jobs.c.id == job_id)
        row = connection.execute(query.with_for_update()).one()
        if row.status not in allowed:
            raise StateConflict(row.status)
        changes = values(row, store.now(connection))
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(**changes))
        if changes["status"] in ENDED:
            add_job_event(store, connection, job_id, changes["status"])
        return connection.execute(query).one()
