"""Runs one job, in a process of its own: exactly what `assay run` runs, resumed where it was.

``python -m assay.serve.jobs.execute FOLDER JOB``, with the lease and the database's URL in its
environment, started by a worker, which renews the lease, sends SIGINT for a pause and ends the
process where the job is lost. The exit code is 0
where the job's end is written, 130 after SIGINT, 75 where another process still writes the run, and
anything else where it is not known why it ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import (
    EXIT_CANCELLED,
    EXIT_OK,
    AssayError,
    DataError,
    ResourceError,
    TrainingError,
    UsageError,
    render_grouped,
)
from assay.runs import RunFolder
from assay.runs.store import Store, open_store
from assay.runs.store.events import insert_event
from assay.runs.store.jobs import JobRow, find_job
from assay.runs.store.queue import Lease, finish
from assay.serve.jobs.check_rows import build_error
from assay.serve.jobs.outcome import add_checkpoint, end_job
from assay.serve.jobs.places import find_job_run, locate_job
from assay.serve.jobs.watch import JobProgress

if TYPE_CHECKING:
    from assay.pipeline import RunOutcome

LEASE_VARIABLE, DATABASE_VARIABLE = "ASSAY_LEASE", "ASSAY_DATABASE"
EXIT_BUSY = 75
"""Another process writes the run: it was given up for lost, and lives."""
_PR_SET_PDEATHSIG = 1
_CODES: tuple[tuple[type[Exception], str, str | None], ...] = (
    (DataError, "invalid_training_data", "training_file"),
    (UsageError, "invalid_request", None),
    (ResourceError, "out_of_resources", None),
    (TrainingError, "training_failed", None),
)


def main(arguments: Sequence[str]) -> int:
    """Run the job to its end; returns the exit code."""
    folder, job_id = arguments
    token = os.environ[LEASE_VARIABLE]
    end_with_parent()
    store = open_store(folder, os.environ.get(DATABASE_VARIABLE, ""))
    lease = Lease(job_id, token)
    job = find_job(store, job_id)
    if job is None or job.lease_token != token:
        return EXIT_OK
    return execute(store, lease, job)


def execute(store: Store, lease: Lease, job: JobRow) -> int:
    """Begin the job's run or go on with it, and write how it ended."""
    folder = locate_job(store, job.id)
    run = find_job_run(folder)
    if run is not None and run.writer is not None:
        return EXIT_BUSY
    progress = JobProgress(store, lease)
    try:
        _run(store, lease, job, run, progress)
    except KeyboardInterrupt:
        # A second one must not tear what is written now.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _export(store, lease, job, progress)
        return EXIT_CANCELLED
    except AssayError as error:
        _fail(store, lease, error, progress)
    return EXIT_OK


def _run(
    store: Store, lease: Lease, job: JobRow, run: RunFolder | None, progress: JobProgress
) -> None:
    from assay.pipeline import resume_run, run_recipe

    if run is None:
        progress.tell("Fine-tuning job started", once="started")
        outcome = run_recipe(locate_job(store, job.id) / "recipe.yaml", progress=progress)
    elif run.verdict.exists() and _is_whole(run):
        outcome = _read_outcome(run)
    else:
        progress.tell(f"Going on, attempt {job.num_attempts + 1}")
        outcome = resume_run(run, progress=progress)
    _export(store, lease, job, progress)
    if end_job(store, lease, job, outcome, progress):
        _tell_end(store, job)


def _is_whole(run: RunFolder) -> bool:
    from assay.pipeline.publish import is_published

    return is_published(run)


def _read_outcome(run: RunFolder) -> RunOutcome:
    """A run that ended before its job's end was written."""
    from assay.pipeline import RunOutcome

    return RunOutcome(run, run.read_json(run.verdict), run.read_json(run.evaluation), None)


def _export(store: Store, lease: Lease, job: JobRow, progress: JobProgress) -> None:
    """Weights of every checkpoint that the run keeps, in a layout that loads by itself."""
    from assay.pipeline.checkpoint_adapter import list_steps, save_checkpoint

    run = find_job_run(locate_job(store, job.id))
    for step in list_steps(run) if run is not None else []:
        assert run is not None
        target = locate_job(store, job.id) / "checkpoints" / f"step-{step}"
        if not target.exists():
            draft = target.with_name(f".{target.name}.draft")
            shutil.rmtree(draft, ignore_errors=True)
            save_checkpoint(run, step, draft, progress=progress)
            draft.rename(target)
        add_checkpoint(store, lease, job, run, step)
        progress.tell(f"Checkpoint created at step {step}", once=f"checkpoint {step}")


def _tell_end(store: Store, job: JobRow) -> None:
    ended = find_job(store, job.id)
    assert ended is not None
    with store.write() as connection:
        if ended.fine_tuned_model:
            made = f"New fine-tuned model created: {ended.fine_tuned_model}"
            insert_event(store, connection, job.id, made, once="model")
            done = "The job has successfully completed"
            insert_event(store, connection, job.id, done, once="ended")
        else:
            message = ended.error["message"]
            insert_event(store, connection, job.id, message, level="error", once="ended")


def _fail(store: Store, lease: Lease, error: AssayError, progress: JobProgress) -> None:
    code, param = next(
        ((code, param) for kind, code, param in _CODES if isinstance(error, kind)),
        ("run_failed", None),
    )
    problems = getattr(error, "problems", None)
    message = "\n".join(render_grouped(problems)) if problems else str(error)
    message = _hide_folder(message, store.folder)
    progress.tell(message, level="error", once="ended")
    finish(store, lease, "failed", error=build_error(code, message, param))


def _hide_folder(text: str, folder: Path) -> str:
    """Without the place of the store, which is no concern of a client's."""
    return text.replace(f"{folder}{os.sep}", "")


def end_with_parent() -> None:
    """Die with the process that started this one: nobody trains on a job that others may take."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
