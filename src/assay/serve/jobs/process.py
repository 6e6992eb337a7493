"""The process of one job: started with its lease, and with what the job brings.

On Linux it is forked from a process that has loaded what jobs need, which costs seconds; elsewhere
it is started anew. Either way each job has a process of its own, which can be killed.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from assay.runs.store import Store
from assay.runs.store.jobs import find_job
from assay.runs.store.queue import Lease
from assay.serve.jobs.execute import run_job

IS_FORKED = sys.platform == "linux"
"""macOS has the same means, but its libraries bear no fork."""
PRELOADED = "assay.serve.jobs.preload"


class JobProcess(Protocol):
    """A job that runs, as its worker sees it."""

    def poll(self) -> int | None:
        """Its exit code, negative after a signal; None while it runs."""

    def kill(self) -> None:
        """End it at once."""

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end; its exit code."""

    def send_signal(self, number: int) -> None:
        """Tell it something; nothing where it has ended."""


class Starter(Protocol):
    """Starts the processes of jobs."""

    def prepare(self) -> None:
        """Begin to load what a job needs: one comes soon."""

    def start(self, store: Store, lease: Lease) -> JobProcess:
        """Run a job that is held."""


@dataclass(frozen=True)
class ForkStarter:
    """Starts jobs as forks of a process in which the module `preloaded` was imported.

    `run` is what each does: with the store's folder, the job's id, the lease's token, the
    database's URL and variables of the environment, none of which is an argument that others see.
    """

    run: Callable[[str, str, str, str, dict[str, str]], None] = run_job
    preloaded: str = PRELOADED

    def prepare(self) -> None:
        if IS_FORKED:
            self._get_context()
            forkserver.ensure_running()

    def start(self, store: Store, lease: Lease) -> JobProcess:
        database = "" if store.is_sqlite else render_url(store)
        job = find_job(store, lease.job_id)
        environment: dict[str, str] = {}
        for integration in (job.integrations if job else None) or []:
            environment |= _describe_wandb(integration["wandb"], lease.job_id)
        given = (str(store.folder), lease.job_id, lease.token, database, environment)
        process = self._get_context().Process(target=self.run, args=given, name=lease.job_id)
        process.start()
        return _Started(process)

    def _get_context(self) -> Any:
        context: BaseContext = multiprocessing.get_context("forkserver" if IS_FORKED else "spawn")
        context.set_forkserver_preload([self.preloaded])
        return context


@dataclass(frozen=True)
class _Started:
    process: BaseProcess

    def poll(self) -> int | None:
        return self.process.exitcode

    def kill(self) -> None:
        self.process.kill()

    def wait(self, timeout: float | None = None) -> int | None:
        self.process.join(timeout)
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.process.exitcode is None and self.process.pid is not None:
            os.kill(self.process.pid, number)


def render_url(store: Store) -> str:
    """The URL of the store's database, with its password."""
    return store.engine.url.render_as_string(hide_password=False)


def _describe_wandb(given: dict[str, Any], job_id: str) -> dict[str, str]:
    named = {
        "WANDB_PROJECT": given["project"],
        "WANDB_ENTITY": given.get("entity"),
        "WANDB_NAME": given.get("name") or job_id,
        "WANDB_TAGS": ",".join(given.get("tags") or [job_id]),
    }
    return {key: value for key, value in named.items() if value}
