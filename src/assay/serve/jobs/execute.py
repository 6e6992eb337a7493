"""Runs one job, in a process of its own: exactly what `assay run` runs, resumed where it was.

`run_job` is called in a process that a worker starts, which renews the lease, sends SIGINT for a
pause and ends the process where the job is lost. The exit code is 0 where the job's end is written,
130 after SIGINT, 75 where another process still writes the run, and anything else where it is not
known why it ended.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
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
from assay.runs.store.files import find_file
from assay.runs.store.jobs import JobRow, find_job
from assay.runs.store.queue import Lease, finish_in
from assay.serve.jobs.check_rows import build_error
from assay.serve.jobs.outcome import add_checkpoint, end_job
from assay.serve.jobs.parent import end_with_parent
from assay.serve.jobs.places import find_job_run, list_saved_steps, locate_job
from assay.serve.jobs.watch import JobProgress

if TYPE_CHECKING:
    from assay.pipeline import RunOutcome

EXIT_BUSY = 75
"""Another process writes the run: it was given up for lost, and lives."""
_CODES: tuple[tuple[type[Exception], str, str | None], ...] = (
    (DataError, "invalid_training_data", "training_file"),
    (UsageError, "invalid_request", None),
    (ResourceError, "out_of_resources", None),
    (TrainingError, "training_failed", None),
)


def run_job(
    folder: str, job_id: str, token: str, database: str, environment: dict[str, str]
) -> None:
    """Run a job to its end in this process, and end the process with its exit code."""
    end_with_parent()
    os.setsid()
    os.environ.update(environment)
    try:
        code = _run_held(folder, Lease(job_id, token), database)
    except KeyboardInterrupt:
        # Before there was anything to save.
        code = EXIT_CANCELLED
    sys.exit(code)


def _run_held(folder: str, lease: Lease, database: str) -> int:
    store = open_store(folder, database)
    try:
        job = find_job(store, lease.job_id)
        if job is None or job.lease_token != lease.token:
            return EXIT_OK
        return execute(store, lease, job)
    finally:
        store.close()


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
        export_checkpoints(store, lease, job, progress)
        return EXIT_CANCELLED
    except AssayError as error:
        _fail(store, lease, job, error)
    except (MemoryError, RuntimeError, OSError) as error:
        shortage = _name_shortage(error)
        if shortage is None:
            raise
        _fail(store, lease, job, shortage)
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
    export_checkpoints(store, lease, job, progress)
    end_job(store, lease, job, outcome, progress)


def _is_whole(run: RunFolder) -> bool:
    from assay.pipeline.publish import is_published

    return is_published(run)


def _read_outcome(run: RunFolder) -> RunOutcome:
    """A run that ended before its job's end was written."""
    from assay.pipeline import RunOutcome

    return RunOutcome(run, run.read_json(run.verdict), run.read_json(run.evaluation), None)


def export_checkpoints(store: Store, lease: Lease, job: JobRow, progress: JobProgress) -> None:
    """Weights of every checkpoint that the run keeps, in a layout that loads by itself.

    One whose weights an earlier attempt saved is listed too, though the run may keep it no more.
    """
    from assay.pipeline.checkpoint_adapter import list_steps

    progress.stop_exports()
    run = find_job_run(locate_job(store, job.id))
    if run is None:
        return
    folder = locate_job(store, job.id) / "checkpoints"
    for draft in folder.glob(".*"):
        shutil.rmtree(draft, ignore_errors=True)
    for step in sorted({*list_steps(run), *list_saved_steps(folder)}):
        export_checkpoint(store, lease, job, run, step, progress=progress)


def export_checkpoint(
    store: Store,
    lease: Lease,
    job: JobRow,
    run: RunFolder,
    step: int,
    *,
    progress: JobProgress,
    source: Path | None = None,
) -> None:
    """Weights of one checkpoint, of the run or in `source`; where they are saved it is listed."""
    from assay.pipeline.checkpoint_adapter import save_checkpoint

    target = locate_job(store, job.id) / "checkpoints" / f"step-{step}"
    if not target.exists():
        draft = target.with_name(f".{target.name}.draft")
        save_checkpoint(run, step, draft, progress=progress, source=source)
        draft.rename(target)
    add_checkpoint(store, lease, job, run, step)
    progress.tell(f"Checkpoint created at step {step}", once=f"checkpoint {step}")


def _name_shortage(error: MemoryError | RuntimeError | OSError) -> ResourceError | None:
    """What ran out, where the error says so; None for any other error."""
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        return ResourceError(f"The server's disk is full: {error.strerror}") if full else None
    if isinstance(error, RuntimeError):
        # What PyTorch says lies in a module that loads it; without it nothing has said so.
        if "torch" not in sys.modules:
            return None
        from assay.train.memory import is_out_of_memory

        if not is_out_of_memory(error):
            return None
    said = (str(error).splitlines() or [""])[0]
    return ResourceError(f"The job ran out of memory{': ' if said else '.'}{said}")


def _fail(store: Store, lease: Lease, job: JobRow, error: AssayError) -> None:
    code, param = next(
        ((code, param) for kind, code, param in _CODES if isinstance(error, kind)),
        ("run_failed", None),
    )
    problems = getattr(error, "problems", None)
    message = "\n".join(render_grouped(problems)) if problems else str(error)
    message = _hide_folder(_name_files(store, job, message), store.folder)
    with store.write() as connection:
        if finish_in(store, connection, lease, "failed", error=build_error(code, message, param)):
            insert_event(store, connection, lease.job_id, message, level="error", once="ended")


def _name_files(store: Store, job: JobRow, text: str) -> str:
    """With the names that the client gave its files, in place of ours."""
    ours = {"train.jsonl": job.training_file, "validation.jsonl": job.validation_file}
    for name, file_id in ours.items():
        file = find_file(store, file_id) if file_id is not None else None
        if file is not None:
            text = text.replace(str(locate_job(store, job.id) / name), file.filename)
    return text


def _hide_folder(text: str, folder: Path) -> str:
    """Without the place of the store, which is no concern of a client's."""
    return text.replace(f"{folder}{os.sep}", "")
