"""A database that is locked for too long, or whose writer was killed: all wait, and go on."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from tests.serve.conftest import serving
from tests.serve.faults.conftest import InThread, Threads, add_job, wait_until_ended, working
from tests.serve.faults.invariants import check_invariants

from assay.runs.store import Store, add_key, open_store
from assay.runs.store.connect import DATABASE_NAME
from assay.runs.store.jobs import find_job
from assay.runs.store.queue import Lease
from assay.serve.app import build_app
from assay.serve.jobs.worker import Pace, Worker


@pytest.fixture()
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """One that waits for other writers for a fifth of a second alone."""
    monkeypatch.setattr("assay.runs.store.connect.BUSY_S", 0.2)
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


@contextmanager
def held(store: Store) -> Iterator[None]:
    """The database's one lock for writing, held by somebody else."""
    other = sqlite3.connect(store.folder / DATABASE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_a_request_that_meets_a_held_lock_may_be_repeated(store: Store) -> None:
    _, secret = add_key(store, "tests", ["admin"])
    with serving(build_app(store)) as url:

        def upload() -> httpx.Response:
            return httpx.post(
                f"{url}/files",
                headers={"authorization": f"Bearer {secret}"},
                data={"purpose": "batch"},
                files={"file": ("a", b"x")},
            )

        with held(store):
            refused = upload()
        assert refused.status_code == 503 and refused.headers["retry-after"] == "1"
        assert refused.json()["error"]["code"] == "database_unavailable"
        assert upload().status_code == 200
    assert check_invariants(store) == []


def test_a_worker_outlives_a_held_lock(store: Store, fake_pipeline: None) -> None:
    hurry = Pace(lease_s=5, look_s=0.01, idle_s=0.01)
    stop = working(Worker(store, pace=hurry, starter=Threads()))
    with held(store):
        time.sleep(0.6)
    add_job(store, "ftjob-00000001")
    assert wait_until_ended(store) == {"ftjob-00000001": "succeeded"}
    stop()
    assert check_invariants(store) == []


class Deaf(InThread):
    """A job that goes on until it is killed, and notes that it was."""

    killed: ClassVar[list[float]] = []

    def __init__(self, store: Store, lease: Lease) -> None:
        self.ended = threading.Event()
        super().__init__(store, lease)

    def _run(self, store: Store, lease: Lease) -> None:
        self.ended.wait(60)
        self.returncode = -9

    def kill(self) -> None:
        self.killed.append(time.monotonic())
        self.ended.set()

    def send_signal(self, number: int) -> None:
        self.ended.set()


def test_a_job_whose_lease_cannot_be_renewed_is_ended_before_others_may_take_it(
    store: Store,
) -> None:
    """Others see the lease end; whoever cannot renew it must not run the job any more."""
    add_job(store, "ftjob-00000001")
    worker = Worker(store, pace=Pace(lease_s=1.0, look_s=0.05, idle_s=0.05), starter=Threads(Deaf))
    stop = working(worker)
    while (row := find_job(store, "ftjob-00000001")) is None or row.status != "running":
        time.sleep(0.01)
    with held(store):
        began = time.monotonic()
        while not Deaf.killed:
            assert time.monotonic() - began < 10
            time.sleep(0.01)
    assert Deaf.killed[0] - began < 2.5
    stop()
    assert check_invariants(store) == []


def test_what_a_killed_writer_began_is_not_there(store: Store) -> None:
    code = (
        "import os, signal, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA journal_mode = WAL')\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "c.execute(\"update jobs set status = 'succeeded', fine_tuned_model = 'half'\")\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    add_job(store, "ftjob-00000001")
    path = store.folder / DATABASE_NAME
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -9
    row = find_job(store, "ftjob-00000001")
    assert row is not None and (row.status, row.fine_tuned_model) == ("queued", None)
    again = open_store(store.folder)
    add_job(again, "ftjob-00000002")
    again.close()
    assert check_invariants(store) == []
