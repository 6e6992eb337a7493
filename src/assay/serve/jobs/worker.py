"""A worker: takes jobs from the queue, one at a time, and watches over the process that runs each.

It imports no ML package itself. Files of new jobs are checked meanwhile, in a thread of its own.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from assay.errors import EXIT_CANCELLED, EXIT_OK
from assay.runs.store import Store
from assay.runs.store.events import insert_event
from assay.runs.store.ids import new_id
from assay.runs.store.jobs import find_job
from assay.runs.store.queue import (
    LEASE_S,
    Lease,
    Wanted,
    claim_check,
    claim_run,
    finish_in,
    let_go,
    renew,
)
from assay.serve.jobs.check_rows import find_fault
from assay.serve.jobs.execute import DATABASE_VARIABLE, EXIT_BUSY, LEASE_VARIABLE

log = logging.getLogger("assay.serve")
_STOP_S = 60.0
"""How long a process may take to save its checkpoint before it is ended."""


@dataclass(frozen=True)
class Pace:
    """Seconds: of a lease, between looks at a running job, between looks for a new one."""

    lease_s: float = LEASE_S
    look_s: float = 0.5
    idle_s: float = 1.0


class Worker:
    """Takes and runs jobs of one store until it is told to stop.

    `stop` may be called from any thread: the running job saves a checkpoint, and is queued again.
    """

    def __init__(self, store: Store, *, pace: Pace | None = None) -> None:
        self.store, self.pace = store, pace or Pace()
        self.name = f"{socket.gethostname()}-{os.getpid()}-{new_id('', 6)}"
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Take no further job, and let go of this one."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`; must be called where the process's children may be started."""
        checking = threading.Thread(target=self._check_files, name="checks", daemon=True)
        checking.start()
        while not self._stopping.is_set():
            lease = claim_run(self.store, self.name, lease_s=self.pace.lease_s)
            if lease is None:
                self._stopping.wait(self.pace.idle_s)
            else:
                self._run_job(lease)
        checking.join()

    def _check_files(self) -> None:
        while not self._stopping.is_set():
            lease = claim_check(self.store, self.name, lease_s=self.pace.lease_s)
            if lease is None:
                self._stopping.wait(self.pace.idle_s)
            else:
                check_job(self.store, lease)

    def _run_job(self, lease: Lease) -> None:
        log.info("job begins", extra={"job_id": lease.job_id})
        process = _start(self.store, lease)
        try:
            code = self._watch(process, lease)
        except BaseException:
            process.kill()
            process.wait()
            raise
        self._settle(lease, code)

    def _watch(self, process: subprocess.Popen[bytes], lease: Lease) -> int | None:
        """Renew the lease while the process runs; its exit code, None where the job was lost."""
        asked_at: float | None = None
        renewed = float("-inf")
        while process.poll() is None:
            now = time.monotonic()
            # A cancelled job is noticed as soon as a lease would be renewed, which is often.
            if now - renewed >= self.pace.look_s:
                wanted, renewed = self._renew(lease), now
                if wanted is Wanted.LOST:
                    process.kill()
                    process.wait()
                    return None
                stops = wanted is Wanted.PAUSE or self._stopping.is_set()
                if stops and asked_at is None:
                    process.send_signal(signal.SIGINT)
                    asked_at = now
            if asked_at is not None and now - asked_at > _STOP_S:
                process.kill()
            time.sleep(min(0.05, self.pace.look_s))
        return process.returncode

    def _renew(self, lease: Lease) -> Wanted:
        return renew(self.store, lease, lease_s=self.pace.lease_s)

    def _settle(self, lease: Lease, code: int | None) -> None:
        """Give the job back where its process did not write how it ended."""
        if code is None:
            log.info("job was cancelled, or taken by another", extra={"job_id": lease.job_id})
        elif code in (EXIT_OK, EXIT_CANCELLED):
            let_go(self.store, lease, "queued")
        elif code == EXIT_BUSY:
            let_go(self.store, lease, "queued", delay_s=self.pace.lease_s)
        else:
            log.warning(f"job's process ended with {code}", extra={"job_id": lease.job_id})
            let_go(self.store, lease, "queued", delay_s=self.pace.look_s, crashed=True)


def check_job(store: Store, lease: Lease) -> None:
    """Check the files of a job that is held, and queue it or fail it."""
    job = find_job(store, lease.job_id)
    if job is None:
        return
    tell(store, job.id, "Validating training file" + ("s" if job.validation_file else ""))
    fault = find_fault(store, job)
    if fault is None:
        tell(store, job.id, "Files validated, moving job to queued state", once="validated")
        let_go(store, lease, "queued")
        return
    with store.write() as connection:
        if finish_in(store, connection, lease, "failed", error=fault):
            insert_event(store, connection, job.id, fault["message"], level="error", once="ended")


def tell(store: Store, job_id: str, message: str, **options: Any) -> None:
    """Add an event to a job."""
    with store.write() as connection:
        insert_event(store, connection, job_id, message, **options)


def _start(store: Store, lease: Lease) -> subprocess.Popen[bytes]:
    """The process that runs the job; its lease and the database's password are no arguments."""
    environment = {**os.environ, LEASE_VARIABLE: lease.token}
    if not store.is_sqlite:
        environment[DATABASE_VARIABLE] = store.engine.url.render_as_string(hide_password=False)
    job = find_job(store, lease.job_id)
    for integration in (job.integrations if job else None) or []:
        environment |= _describe_wandb(integration["wandb"], lease.job_id)
    command = [sys.executable, "-m", "assay.serve.jobs.execute", str(store.folder), lease.job_id]
    # A group of its own: Ctrl-C in the terminal reaches the worker alone, which passes it on.
    return subprocess.Popen(
        command, env=environment, start_new_session=True, stdin=subprocess.DEVNULL
    )


def _describe_wandb(given: dict[str, Any], job_id: str) -> dict[str, str]:
    named = {
        "WANDB_PROJECT": given["project"],
        "WANDB_ENTITY": given.get("entity"),
        "WANDB_NAME": given.get("name") or job_id,
        "WANDB_TAGS": ",".join(given.get("tags") or [job_id]),
    }
    return {key: value for key, value in named.items() if value}


def work(store: Store) -> None:
    """Work until SIGTERM or SIGINT."""
    worker = Worker(store)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
