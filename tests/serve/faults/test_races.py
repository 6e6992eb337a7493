"""Two workers on one store, SQLite and PostgreSQL: each job has the result of one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.serve.faults.conftest import Threads, add_job, wait_until_ended, working
from tests.serve.faults.fake_run import NUM_STEPS, compute_weights
from tests.serve.faults.invariants import check_invariants

from assay.runs.store import Store
from assay.runs.store.jobs import find_job
from assay.runs.store.queue import claim_run
from assay.runs.store.tables import jobs
from assay.serve.jobs.execute import EXIT_BUSY, execute
from assay.serve.jobs.places import find_job_run, locate_job
from assay.serve.jobs.start import DATABASE_VARIABLE
from assay.serve.jobs.worker import Pace, Worker

REPO = Path(__file__).parents[3]
HURRY = Pace(lease_s=5.0, look_s=0.01, idle_s=0.01)


def test_two_workers_end_each_job_once(either_store: Store, fake_pipeline: None) -> None:
    ids = [add_job(either_store, f"ftjob-{n:08}", seed=n) for n in range(10)]
    stop = working(*(Worker(either_store, pace=HURRY, starter=Threads()) for _ in range(2)))
    found = wait_until_ended(either_store)
    stop()
    assert found == {job_id: ("failed" if n % 2 else "succeeded") for n, job_id in enumerate(ids)}
    assert check_invariants(either_store) == []
    for job_id in ids:
        run = find_job_run(locate_job(either_store, job_id))
        assert run is not None and (run.adapter / "weights").read_text() == compute_weights(
            NUM_STEPS
        )
        row = find_job(either_store, job_id)
        assert row is not None and row.num_attempts == 0, "each was begun once"


def test_a_worker_that_was_given_up_writes_nothing_of_a_jobs_end(
    either_store: Store, fake_pipeline: None
) -> None:
    """It was silent for longer than its lease, and lives: two then run one job."""
    add_job(either_store, "ftjob-00000001", seed=2)
    first = claim_run(either_store, "first")
    job = find_job(either_store, "ftjob-00000001")
    assert first is not None and job is not None
    with either_store.write() as connection:
        connection.execute(update(jobs).values(lease_until=1.0))
    second = claim_run(either_store, "second")
    assert second is not None
    assert execute(either_store, first, job) == 0
    run = find_job_run(locate_job(either_store, job.id))
    row = find_job(either_store, job.id)
    assert run is not None and run.release.exists(), "the run itself is whole"
    assert row is not None and (row.status, row.result_files) == ("running", None)
    assert check_invariants(either_store) == []
    with run.lock():
        assert execute(either_store, second, job) == EXIT_BUSY
    assert execute(either_store, second, job) == 0
    assert wait_until_ended(either_store) == {job.id: "succeeded"}
    assert check_invariants(either_store) == []


@pytest.mark.slow
def test_two_workers_in_processes_of_their_own(
    either_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of which one is killed each time that a job begins, as long as there are jobs."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    ids = [add_job(either_store, f"ftjob-{n:08}", seed=2 * n) for n in range(6)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if not either_store.is_sqlite:
        url = either_store.engine.url.render_as_string(hide_password=False)
        environment[DATABASE_VARIABLE] = url
    command = [sys.executable, "-m", "tests.serve.faults.worker", str(either_store.folder)]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=REPO, env=environment, stderr=subprocess.DEVNULL)

    workers = [start(), start()]
    for _ in range(4):
        try:
            workers[0].wait(5)
        except subprocess.TimeoutExpired:
            workers[0].kill()
            workers[0].wait()
        workers = [workers[1], start()]
    try:
        found = wait_until_ended(either_store, within_s=120)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert set(found) == set(ids) and "succeeded" in found.values()
    assert check_invariants(either_store) == []
