"""Where a job's folder lies in the store, and what is in it."""

from __future__ import annotations

from pathlib import Path

from assay.runs import RunFolder
from assay.runs.store import Store


def locate_job(store: Store, job_id: str) -> Path:
    """The folder of a job: recipe, files, runs, checkpoints."""
    return store.folder / "jobs" / job_id


def find_job_run(folder: Path) -> RunFolder | None:
    """The run of a job, which has one once it was begun."""
    runs = [run for run in map(RunFolder, sorted((folder / "runs").glob("*"))) if run.exists]
    return runs[-1] if runs else None


def relative(store: Store, path: Path) -> str:
    """A path from the store's folder, which may move."""
    return path.resolve().relative_to(store.folder).as_posix()
