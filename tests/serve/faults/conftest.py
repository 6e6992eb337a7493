"""Stores that break, and workers of them: on SQLite and PostgreSQL, on a disk of four megabytes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.serve.faults import fake_run
from tests.serve.faults.invariants import ENDED

import assay.pipeline
from assay.runs.store import DEFAULT_PROJECT, Store, open_store
from assay.runs.store.jobs import find_job, insert_job
from assay.runs.store.queue import Lease
from assay.runs.store.tables import files, jobs, metadata
from assay.serve.files.keep import write_result
from assay.serve.jobs.execute import execute
from assay.serve.jobs.places import locate_job
from assay.serve.jobs.worker import Worker

DISK_BYTES = 4 << 20


@pytest.fixture(params=["sqlite", "postgres"])
def either_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = request.getfixturevalue("postgres") if request.param == "postgres" else ""
    opened = open_store(tmp_path / "store", url)
    yield opened
    if not opened.is_sqlite:
        metadata.drop_all(opened.engine)
    opened.close()


@pytest.fixture()
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs"]
    try:
        subprocess.run(["mount", *options, str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture()
def fake_pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Runs of jobs in this process are fakes, which hurry."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(fake_run, "STEP_S", 0.002)
    for name in ("run_recipe", "resume_run", "RunOutcome"):
        # Set and undone as what the package itself does not hold until it is asked for.
        monkeypatch.setitem(vars(assay.pipeline), name, None)
    name = "assay.pipeline.checkpoint_adapter"
    monkeypatch.setitem(sys.modules, name, sys.modules.get(name))
    fake_run.replace_pipeline()


def add_job(
    store: Store, job_id: str, *, seed: int = 0, status: str = "queued", **values: Any
) -> str:
    """A job of a file of its own, with its folder."""
    file_id = write_result(store, DEFAULT_PROJECT, "rows.jsonl", "fine-tune", b"{}\n" * 12)
    folder = locate_job(store, job_id)
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(f"base: tiny\nseed: {seed}\n", encoding="utf-8")
    with store.write() as connection:
        insert_job(
            connection,
            **{
                "id": job_id,
                "status": status,
                "model": "tiny",
                "base": "tiny",
                "training_file": file_id,
                "seed": seed,
                "priority": 0,
                "num_attempts": 0,
                "not_before": 0.0,
                "created_at": store.now(connection),
                **values,
            },
        )
    return job_id


class InThread:
    """A job that runs in a thread of this process, as far as a worker sees; it cannot be killed."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self.returncode: int | None = None
        self._thread = threading.Thread(target=self._run, args=[store, lease], daemon=True)
        self._thread.start()

    def _run(self, store: Store, lease: Lease) -> None:
        job = find_job(store, lease.job_id)
        assert job is not None
        code = 1
        try:
            code = execute(store, lease, job)
        finally:
            self.returncode = code

    def poll(self) -> int | None:
        return self.returncode

    def kill(self) -> None:
        """Nothing: whoever lost a job writes nothing more of it."""

    def wait(self, timeout: float | None = None) -> int | None:
        self._thread.join(timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        raise AssertionError(f"no test here stops a job by {number}")


@dataclass(frozen=True)
class Threads:
    """Starts jobs in threads of this process."""

    kind: type[InThread] = InThread

    def prepare(self) -> None:
        """Nothing is to be loaded."""

    def start(self, store: Store, lease: Lease) -> InThread:
        return self.kind(store, lease)


def working(*workers: Worker) -> Callable[[], None]:
    """Start workers in threads; what ends them."""
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()

    def stop() -> None:
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()

    return stop


def wait_until_ended(store: Store, *, within_s: float = 60) -> dict[str, str]:
    """The states of all jobs, once each of them has ended."""
    ends = time.monotonic() + within_s
    while True:
        with store.read() as connection:
            found = {row.id: row.status for row in connection.execute(select(jobs))}
        if all(status in ENDED for status in found.values()):
            return found
        assert time.monotonic() < ends, found
        time.sleep(0.02)


def list_file_ids(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.scalars(select(files.c.id)))
