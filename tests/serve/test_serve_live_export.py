"""Checkpoints of a job that runs are saved beside it, and answer before it has ended."""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.serve.conftest import Served, serving
from tests.serve.test_serve_job_runs import create

from assay.runs.store import Store, add_key
from assay.runs.store.models import list_all_checkpoints
from assay.serve.assemble import assembled
from assay.serve.bases import Bases
from assay.serve.jobs import live_export
from assay.serve.jobs.live_export import LiveExport
from assay.serve.jobs.worker import Pace, Worker

_SAVE = "import os, sys; os.rename(sys.argv[3], sys.argv[1] + '/step-' + sys.argv[2])"
_SLEEP = "import time; time.sleep(60)"


def build(tmp_path: Path, code: str, *, needed_bytes: int = 0, pause_s: float = 0.0) -> LiveExport:
    command = [sys.executable, "-c", code, str(tmp_path / "saved")]
    for step in (1, 3, 12):
        (tmp_path / "checkpoints" / f"step-{step}").mkdir(parents=True)
        (tmp_path / "checkpoints" / f"step-{step}" / "weights").write_text(str(step))
    return LiveExport(
        command,
        dict(os.environ),
        tmp_path / "checkpoints",
        tmp_path / "saved",
        needed_bytes,
        pause_s=pause_s,
    )


def wait_for(path: Path) -> None:
    for _ in range(500):
        if path.exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} did not come")


def test_what_is_new_is_saved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exports = build(tmp_path, _SAVE)
    started: list[Any] = []
    popen = live_export.subprocess.Popen

    def count(*arguments: Any, **options: Any) -> Any:
        started.append(arguments)
        return popen(*arguments, **options)

    monkeypatch.setattr(live_export.subprocess, "Popen", count)
    exports.look()
    exports.look()
    wait_for(tmp_path / "saved" / "step-12" / "weights")
    for _ in range(3):
        exports.look()
    assert len(started) == 1 and len(list((tmp_path / "saved").glob("*"))) == 1
    (tmp_path / "checkpoints" / "step-13").mkdir()
    exports.look()  # too soon: an export takes at most a tenth of the time
    assert len(started) == 1
    exports.stop()


def test_nothing_is_saved_too_soon_or_without_memory(tmp_path: Path) -> None:
    for place, options in enumerate(({"pause_s": 60.0}, {"needed_bytes": 1 << 60})):
        exports = build(tmp_path / str(place), _SAVE, **options)
        exports.look()
        time.sleep(0.2)
        assert not (tmp_path / str(place) / "saved").exists()


def test_what_is_under_way_is_ended(tmp_path: Path) -> None:
    exports = build(tmp_path, _SLEEP)
    exports.look()
    process = exports._process
    assert process is not None and process.poll() is None
    exports.stop()
    assert process.returncode == -9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_checkpoint_answers_while_its_job_runs(
    store: Store, small_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    _, secret = add_key(store, "tests", ["admin"])
    bases = Bases({"gpt-4.1-mini": str(small_base)})
    worker = Worker(store, pace=Pace(look_s=0.1, idle_s=0.1))
    with assembled(store, bases, served="gpt-4.1-mini") as app, serving(app) as url:
        client: openai.OpenAI = Served(store, url, secret).client()
        train = {"max_steps": 100_000, "learning_rate": 0.001, "checkpoints": {"every_s": 10}}
        job = create(client, train=train)
        running = threading.Thread(target=worker.run)
        running.start()
        try:
            deadline = time.monotonic() + 150
            while not (found := list_all_checkpoints(store)) and time.monotonic() < deadline:
                time.sleep(0.2)
            assert found and client.fine_tuning.jobs.retrieve(job.id).status == "running"
            answer = client.chat.completions.create(
                model=found[0].id,
                messages=[{"role": "user", "content": "Say it."}],
                max_completion_tokens=2,
            )
            assert answer.model_extra == {"x_assay": {"state": "unreleased"}}
            assert client.fine_tuning.jobs.retrieve(job.id).status == "running"
            listed = client.fine_tuning.jobs.checkpoints.list(job.id).data
            assert found[0].id in {one.fine_tuned_model_checkpoint for one in listed}
            client.fine_tuning.jobs.cancel(job.id)
        finally:
            worker.stop()
            running.join(90)
