"""A full disk (a file system of four megabytes): refused or failed with the reason, never half."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.serve.conftest import serving
from tests.serve.faults import fake_run
from tests.serve.faults.conftest import DISK_BYTES, Threads, add_job, wait_until_ended, working
from tests.serve.faults.invariants import check_invariants

from assay.runs.store import Store, add_key, open_store
from assay.runs.store.files import sweep_files
from assay.runs.store.jobs import find_job
from assay.serve.app import build_app
from assay.serve.jobs.worker import Pace, Worker

HURRY = Pace(lease_s=5, look_s=0.01, idle_s=0.05)
LEFT_BYTES = 64 << 10


@pytest.fixture()
def store(small_disk: Path) -> Iterator[Store]:
    opened = open_store(small_disk / "store")
    yield opened
    opened.close()


def fill(folder: Path, *, but_bytes: int = 0) -> Path:
    """Take what is left of the disk, but so many bytes."""
    path = folder / "ballast"
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - but_bytes))
    return path


def test_an_upload_that_does_not_fit_leaves_nothing(store: Store, small_disk: Path) -> None:
    _, secret = add_key(store, "tests", ["admin"])
    with serving(build_app(store)) as url:

        def upload(num_bytes: int) -> httpx.Response:
            return httpx.post(
                f"{url}/files",
                headers={"authorization": f"Bearer {secret}"},
                data={"purpose": "batch"},
                files={"file": ("a", bytes(num_bytes))},
            )

        assert upload(1000).status_code == 200
        refused = upload(DISK_BYTES)
        assert refused.status_code == 507 and refused.json()["error"]["code"] == "disk_full"
        assert refused.headers["x-should-retry"] == "false"
        assert check_invariants(store) == []
        ballast = fill(small_disk)
        full = upload(1000)
        assert (full.status_code, full.json()["error"]["code"]) == (507, "disk_full")
        assert str(small_disk) not in full.text
        ballast.unlink()
        assert upload(1000).status_code == 200
    assert check_invariants(store) == []


def test_a_job_that_does_not_fit_fails_with_the_reason_and_the_next_one_runs(
    store: Store, small_disk: Path, fake_pipeline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = fake_run.list_steps

    def save_much(run: Any) -> list[int]:
        run.write_json(run.path / "much.json", "x" * DISK_BYTES)
        return usual(run)

    monkeypatch.setattr(fake_run, "list_steps", save_much)
    stop = working(Worker(store, pace=HURRY, starter=Threads()))
    add_job(store, "ftjob-00000001")
    assert wait_until_ended(store) == {"ftjob-00000001": "failed"}
    row = find_job(store, "ftjob-00000001")
    assert row is not None and row.error["code"] == "out_of_resources"
    assert "disk full" in row.error["message"] and str(small_disk) not in row.error["message"]
    monkeypatch.setattr(fake_run, "list_steps", usual)
    add_job(store, "ftjob-00000002")
    assert wait_until_ended(store)["ftjob-00000002"] == "succeeded"
    stop()
    assert check_invariants(store) == []


def test_a_database_without_room_is_waited_for(
    store: Store, small_disk: Path, fake_pipeline: None
) -> None:
    """Nothing can be written, not even why; when there is room again, it goes on."""
    add_job(store, "ftjob-00000001")
    ballast = fill(small_disk)
    stop = working(Worker(store, pace=HURRY, starter=Threads()))
    with pytest.raises(AssertionError):
        wait_until_ended(store, within_s=1.0)
    ballast.unlink()
    assert wait_until_ended(store)["ftjob-00000001"] in ("succeeded", "failed")
    stop()
    sweep_files(store, older_than_s=0)
    assert check_invariants(store) == []
