"""Where a job's folder lies in the store, what is in it, and which folders are nobody's."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import select

from assay.runs import RunFolder
from assay.runs.store import Store
from assay.runs.store.jobs import ENDED
from assay.runs.store.tables import jobs, models


def locate_job(store: Store, job_id: str) -> Path:
    """The folder of a job: recipe, files, runs, checkpoints."""
    return store.folder / "jobs" / job_id


def sweep_jobs(store: Store, *, older_than_s: float = 3600.0) -> int:
    """Remove folders without a job, and checkpoints of ended jobs that are not listed; how many.

    A crash left them, while a job was made or its weights were saved. Younger ones may be of a job
    that is being made.
    """
    folders = list((store.folder / "jobs").glob("*"))
    with store.read() as connection:
        earliest = store.now(connection) - older_than_s
        states = {
            row.id: row.status for row in connection.execute(select(jobs.c.id, jobs.c.status))
        }
        listed = set(connection.scalars(select(models.c.folder)))
    left = [one for one in folders if one.name not in states and one.stat().st_mtime < earliest]
    for folder in folders:
        if states.get(folder.name) in ENDED:
            saved = (folder / "checkpoints").glob("*")
            left += [one for one in saved if relative(store, one) not in listed]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return len(left)


def find_job_run(folder: Path) -> RunFolder | None:
    """The run of a job, which has one once it was begun."""
    runs = [run for run in map(RunFolder, sorted((folder / "runs").glob("*"))) if run.exists]
    return runs[-1] if runs else None


def list_saved_steps(folder: Path) -> list[int]:
    """The steps whose weights lie in a job's folder of checkpoints."""
    return sorted(int(one.name.removeprefix("step-")) for one in folder.glob("step-*"))


def relative(store: Store, path: Path) -> str:
    """A path from the store's folder, which may move."""
    return path.resolve().relative_to(store.folder).as_posix()
