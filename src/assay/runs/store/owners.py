"""Which project a job belongs to, and so its checkpoints; a job of nobody is the default's."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Table,
    Text,
    exists,
    insert,
    select,
)

from assay.runs.store.connect import Store
from assay.runs.store.keys import DEFAULT_PROJECT
from assay.runs.store.tables import jobs, metadata, models, permissions

job_owners = Table(
    "job_owners",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("project", Text, nullable=False),
)


def insert_owner(connection: Connection, job_id: str, project: str) -> None:
    """Say whose a job is; in the transaction that makes it."""
    connection.execute(insert(job_owners).values(job_id=job_id, project=project))


def find_owner(connection: Connection, job_id: str) -> str:
    """The project of a job."""
    query = select(job_owners.c.project).where(job_owners.c.job_id == job_id)
    return str(connection.execute(query).scalar() or DEFAULT_PROJECT)


def is_owned(project: str) -> ColumnElement[bool]:
    """The condition that a row of `jobs` is of a project."""
    of_job = job_owners.c.job_id == jobs.c.id
    own = exists().where(of_job, job_owners.c.project == project)
    return own | ~exists().where(of_job) if project == DEFAULT_PROJECT else own


def find_users(store: Store, checkpoint: str) -> frozenset[str]:
    """The projects that may use a checkpoint: its job's own, and those that an admin let in."""
    return list_users(store, checkpoint).get(checkpoint, frozenset())


def list_users(store: Store, checkpoint: str | None = None) -> dict[str, frozenset[str]]:
    """The same of every checkpoint, by name; or of one alone."""
    owned = (
        select(models.c.id, job_owners.c.project)
        .outerjoin(job_owners, job_owners.c.job_id == models.c.job_id)
        .where(models.c.checkpoint_id.is_not(None))
    )
    let_in = select(permissions.c.checkpoint, permissions.c.project)
    if checkpoint is not None:
        owned = owned.where(models.c.id == checkpoint)
        let_in = let_in.where(permissions.c.checkpoint == checkpoint)
    with store.read() as connection:
        found = {name: {project or DEFAULT_PROJECT} for name, project in connection.execute(owned)}
        for name, project in connection.execute(let_in):
            if name in found:
                found[name].add(project)
    return {str(name): frozenset(map(str, projects)) for name, projects in found.items()}
