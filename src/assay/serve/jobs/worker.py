"""A worker: takes jobs from the queue, one at a time, and watches over the process that runs each.

It imports no ML package itself. Files of new jobs are checked meanwhile, in a thread of its own.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

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
from assay.serve.jobs.estimate import describe_estimate, try_to_estimate
from assay.serve.jobs.execute import EXIT_BUSY
from assay.serve.jobs.process import ForkStarter, JobProcess, Starter

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
    A database that does not answer, or a disk that is full, is waited for.

    Args:
        starter: starts the process of each job.
    """

    def __init__(
        self, store: Store, *, pace: Pace | None = None, starter: Starter | None = None
    ) -> None:
        self.store, self.pace, self._starter = store, pace or Pace(), starter or ForkStarter()
        self.name = f"{socket.gethostname()}-{os.getpid()}-{new_id('', 6)}"
        self._stopping = threading.Event()
        self._broke: list[BaseException] = []
        self._comes = False

    def stop(self) -> None:
        """Take no further job, and let go of this one."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`; must be called where the process's children may be started."""
        checking = threading.Thread(target=self._check_files, name="checks", daemon=True)
        checking.start()
        try:
            while not self._stopping.is_set():
                if self._comes:
                    # What is checked runs soon, and what it needs loads meanwhile. Not in the
                    # thread that checks: what is started there ends with that thread.
                    self._starter.prepare()
                lease = self._claim(claim_run)
                if lease is not None:
                    self._run_job(lease)
        finally:
            self.stop()
            checking.join()
        if self._broke:
            # Half a worker would leave jobs unchecked for ever; whoever started it starts anew.
            raise self._broke[0]

    def _claim(self, claim: Callable[..., Lease | None]) -> Lease | None:
        """The next job of a kind, after a pause where there is none."""
        try:
            lease = claim(self.store, self.name, lease_s=self.pace.lease_s)
        except SQLAlchemyError as error:
            log.warning(f"the store does not answer: {_name(error)}")
            lease = None
        if lease is None:
            self._stopping.wait(self.pace.idle_s)
        return lease

    def _check_files(self) -> None:
        try:
            while not self._stopping.is_set():
                lease = self._claim(claim_check)
                if lease is not None:
                    self._check(lease)
        except BaseException as error:
            self._broke.append(error)
            self.stop()

    def _check(self, lease: Lease) -> None:
        try:
            self._comes = True
            check_job(self.store, lease)
        except SQLAlchemyError as error:
            # The lease runs out, and the check is begun again.
            log.warning(f"files not checked: {_name(error)}", extra={"job_id": lease.job_id})
            self._stopping.wait(self.pace.idle_s)

    def _run_job(self, lease: Lease) -> None:
        log.info("job begins", extra={"job_id": lease.job_id})
        process = self._starter.start(self.store, lease)
        try:
            code = self._watch(process, lease)
        except BaseException:
            process.kill()
            process.wait()
            raise
        self._settle(lease, code)

    def _watch(self, process: JobProcess, lease: Lease) -> int | None:
        """Renew the lease while the process runs; its exit code, None where the job was lost."""
        asked_at: float | None = None
        looked, renewed = float("-inf"), time.monotonic()
        while (code := process.poll()) is None:
            now = time.monotonic()
            # A cancelled job is noticed as soon as a lease would be renewed, which is often.
            if now - looked >= self.pace.look_s:
                wanted, looked = self._renew(lease), now
                renewed = renewed if wanted is None else now
                if wanted is Wanted.LOST or now - renewed > self.pace.lease_s:
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
        # One that was told to stop before it could say how is no crash.
        was_stopped = asked_at is not None and code == -signal.SIGINT
        return EXIT_CANCELLED if was_stopped else code

    def _renew(self, lease: Lease) -> Wanted | None:
        """What is wanted of the job; None where the store does not answer."""
        try:
            return renew(self.store, lease, lease_s=self.pace.lease_s)
        except SQLAlchemyError as error:
            log.warning(f"lease not renewed: {_name(error)}", extra={"job_id": lease.job_id})
            return None

    def _settle(self, lease: Lease, code: int | None) -> None:
        """Give the job back where its process did not write how it ended."""
        try:
            if code is None:
                log.info("job was cancelled, or taken by another", extra={"job_id": lease.job_id})
            elif code in (EXIT_OK, EXIT_CANCELLED):
                let_go(self.store, lease, "queued")
            elif code == EXIT_BUSY:
                let_go(self.store, lease, "queued", delay_s=self.pace.lease_s)
            else:
                log.warning(f"job's process ended with {code}", extra={"job_id": lease.job_id})
                let_go(self.store, lease, "queued", delay_s=self.pace.look_s, crashed=True)
        except SQLAlchemyError as error:
            # The lease runs out, and the job is taken again.
            log.warning(f"job not given back: {_name(error)}", extra={"job_id": lease.job_id})


def _name(error: SQLAlchemyError) -> str:
    """What a database says, without the statement and its values."""
    said = str(getattr(error, "orig", None) or type(error).__name__).strip()
    return said.splitlines()[0] if said else type(error).__name__


def check_job(store: Store, lease: Lease) -> None:
    """Check the files of a job that is held, and queue it or fail it."""
    job = find_job(store, lease.job_id)
    if job is None:
        return
    tell(store, job.id, "Validating training file" + ("s" if job.validation_file else ""))
    fault = find_fault(store, job)
    if fault is None:
        tell(store, job.id, "Files validated, moving job to queued state", once="validated")
        estimate = try_to_estimate(store, job)
        if estimate is not None:
            told = f"Estimate: {describe_estimate(estimate)}"
            tell(store, job.id, told, data=estimate, once="estimate")
        let_go(store, lease, "queued")
        return
    with store.write() as connection:
        if finish_in(store, connection, lease, "failed", error=fault):
            insert_event(store, connection, job.id, fault["message"], level="error", once="ended")


def tell(store: Store, job_id: str, message: str, **options: Any) -> None:
    """Add an event to a job."""
    with store.write() as connection:
        insert_event(store, connection, job_id, message, **options)


def work(store: Store) -> None:
    """Work until SIGTERM or SIGINT."""
    worker = Worker(store)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
