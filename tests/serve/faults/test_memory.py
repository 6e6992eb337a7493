"""A job whose process runs out of memory: said where it can be said, and tried again where not."""

from __future__ import annotations

import pytest
from tests.serve.faults.conftest import InThread, Threads, add_job, wait_until_ended, working
from tests.serve.faults.fake_run import HOG_VARIABLE, STARTER
from tests.serve.faults.invariants import check_invariants

import assay.pipeline
from assay.runs.store import Store
from assay.runs.store.jobs import find_job
from assay.serve.jobs.worker import Pace, Worker

HURRY = Pace(lease_s=5, look_s=0.02, idle_s=0.02)


def test_a_process_that_may_have_no_more_memory_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOG_VARIABLE, "1")
    add_job(store, "ftjob-00000001")
    stop = working(Worker(store, pace=HURRY, starter=STARTER))
    assert wait_until_ended(store) == {"ftjob-00000001": "failed"}
    stop()
    row = find_job(store, "ftjob-00000001")
    assert row is not None and row.error["code"] == "out_of_resources"
    assert "out of memory" in row.error["message"] and row.num_attempts == 0
    assert check_invariants(store) == []


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no more"),
        OSError(28, "No space left on device"),
        pytest.param(
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 64 bytes"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_libraries_say_of_memory_and_disk_is_a_reason(
    store: Store, fake_pipeline: None, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    if isinstance(error, RuntimeError):
        pytest.importorskip("torch")  # what it says is known where it is loaded

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(assay.pipeline, "run_recipe", fail)
    add_job(store, "ftjob-00000001")
    stop = working(Worker(store, pace=HURRY, starter=Threads()))
    assert wait_until_ended(store) == {"ftjob-00000001": "failed"}
    stop()
    row = find_job(store, "ftjob-00000001")
    assert row is not None and row.error["code"] == "out_of_resources"
    assert check_invariants(store) == []


class Killed(InThread):
    """A job whose process the system ends, as it does with one that takes too much."""

    def _run(self, store: Store, lease: object) -> None:
        self.returncode = -9


def test_a_job_that_the_system_kills_each_time_fails_in_the_end(store: Store) -> None:
    add_job(store, "ftjob-00000001")
    stop = working(Worker(store, pace=HURRY, starter=Threads(Killed)))
    assert wait_until_ended(store) == {"ftjob-00000001": "failed"}
    stop()
    row = find_job(store, "ftjob-00000001")
    assert row is not None and (row.error["code"], row.num_attempts) == ("worker_lost", 3)
    assert "out of memory" in row.error["message"]
    assert check_invariants(store) == []
