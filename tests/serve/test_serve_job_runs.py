"""Jobs to their end: the run that `assay run` makes, and what the client sees of it."""

import csv
import io
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from tests.serve.conftest import Served, serving
from tests.serve.test_serve_jobs import check

from assay.release import verify_release
from assay.runs.store import Store, add_key
from assay.runs.store.jobs import find_job
from assay.runs.store.models import find_model, list_models, locate_model
from assay.runs.store.queue import claim_run, let_go
from assay.serve.app import build_app
from assay.serve.bases import Bases
from assay.serve.jobs.execute import execute
from assay.serve.jobs.places import find_job_run, locate_job
from assay.serve.jobs.worker import Pace, Worker
from assay.serve.lifecycle.moving import promote_model

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
COLOURS = ("red", "green", "blue", "black", "white")
QUICK: dict[str, Any] = {
    "method": {"rank": 4},
    "train": {"max_steps": 6, "learning_rate": 0.01},
    "data": {"validation_ratio": 0.1, "test_ratio": 0.3},
    "evaluate": {"shots": [0], "max_new_tokens": 4, "batch_size": 32},
    "gates": {
        "policy": "minimal",
        "thresholds": {"min_gain": -1, "overfit_ratio": 1000, "retention_margin": 1},
    },
}


@pytest.fixture()
def served(
    store: Store, small_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    _, secret = add_key(store, "tests", ["admin"])
    app = build_app(store, bases=Bases({"gpt-4.1-mini": str(small_base)}))
    with serving(app) as url:
        yield Served(store, url, secret)


@pytest.fixture()
def client(served: Served) -> openai.OpenAI:
    return served.client()


def upload_colours(client: openai.OpenAI, num_rows: int = 120) -> str:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Item {n} has the colour {COLOURS[n % 5]}. Say it."},
                {"role": "assistant", "content": COLOURS[n % 5]},
            ]
        }
        for n in range(num_rows)
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return client.files.create(file=("colours.jsonl", content), purpose="fine-tune").id


def create(client: openai.OpenAI, *, model: str = "gpt-4.1-mini", **changes: Any) -> Any:
    return client.fine_tuning.jobs.create(
        model=model,
        training_file=upload_colours(client),
        suffix="Colours!",
        seed=7,
        extra_body={"x_assay": {**QUICK, **changes}},
    )


def run_next(store: Store) -> None:
    """What a worker does with the next job, in this process."""
    check(store)
    lease = claim_run(store, "tests")
    assert lease is not None
    job = find_job(store, lease.job_id)
    assert job is not None
    assert execute(store, lease, job) == 0
    let_go(store, lease, "queued")


def read_losses(client: openai.OpenAI, job: Any) -> list[str]:
    text = client.files.content(job.result_files[0]).read().decode()
    return [row["train_loss"] for row in csv.DictReader(io.StringIO(text))]


def test_a_job_that_passes_is_a_signed_release(served: Served, client: openai.OpenAI) -> None:
    job = create(client)
    run_next(served.store)
    done = served.client(_strict_response_validation=True).fine_tuning.jobs.retrieve(job.id)
    assert done.status == "succeeded" and done.error is None, done.error
    assert done.fine_tuned_model == f"ft:gpt-4.1-mini:assay:colours:{job.id[-8:]}"
    assert done.trained_tokens and done.finished_at and done.finished_at >= done.created_at
    extra = done.model_extra["x_assay"]  # type: ignore[index]
    assert extra["verdict"]["status"] == "released" and extra["hashes"]["release"]
    assert extra["data"]["splits"]["train"]["num_records"] == 72
    made = find_model(served.store, done.fine_tuned_model)
    assert made is not None and made.state == "released"
    assert (locate_model(served.store, made) / "adapter_model.safetensors").is_file()
    run = find_job_run(locate_job(served.store, job.id))
    assert run is not None and verify_release(run.path)

    stored = client.files.retrieve(done.result_files[0])
    assert stored.purpose == "fine-tune-results"
    text = client.files.content(stored.id).read().decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["step"] for row in rows] == [str(n) for n in range(1, 7)]
    assert all(float(row["train_loss"]) > 0 for row in rows) and float(rows[-1]["valid_loss"]) > 0

    events = list(client.fine_tuning.jobs.list_events(job.id, limit=3))
    assert len({one.id for one in events}) == len(events)
    metrics = [one for one in events if one.type == "metrics"]
    assert [one.data["step"] for one in metrics] == [6, 5, 4, 3, 2, 1]  # type: ignore[index]
    assert metrics[0].data["total_steps"] == 6  # type: ignore[index]
    gates = next(one for one in events if one.type == "moderation_checks")
    assert gates.data["status"] == "released" and gates.data["gates"]  # type: ignore[index]
    order = [one.message for one in events[::-1]]
    assert order[0].startswith("Created") and order[-1].endswith("completed")
    assert order[-2] == f"New fine-tuned model created: {done.fine_tuned_model}"
    assert str(served.store.folder) not in " ".join(order)

    points = served.client(_strict_response_validation=True).fine_tuning.jobs.checkpoints.list(
        job.id
    )
    last = points.data[0]
    assert last.fine_tuned_model_checkpoint == f"{done.fine_tuned_model}:ckpt-step-6"
    assert last.metrics.train_loss == float(rows[-1]["train_loss"]) and last.metrics.step == 6
    checkpoint = find_model(served.store, last.fine_tuned_model_checkpoint)
    assert checkpoint is not None and checkpoint.state == "unreleased"
    assert (locate_model(served.store, checkpoint) / "adapter_config.json").is_file()


@pytest.mark.slow
def test_a_second_job_goes_on_from_the_first_and_leaves_it(
    served: Served, client: openai.OpenAI
) -> None:
    job = create(client)
    run_next(served.store)
    done = client.fine_tuning.jobs.retrieve(job.id)
    run = find_job_run(locate_job(served.store, job.id))
    assert run is not None and done.fine_tuned_model
    before = verify_release(run.path)
    promote_model(served.store, "colours@prod", done.fine_tuned_model, actor="tests")
    second = create(client, model="colours@prod")
    assert second.model == done.fine_tuned_model
    run_next(served.store)
    again = client.fine_tuning.jobs.retrieve(second.id)
    assert again.status == "succeeded", again.error
    assert again.fine_tuned_model == f"ft:gpt-4.1-mini:assay:colours:{second.id[-8:]}"
    assert again.model_extra["x_assay"]["parents"] == [done.fine_tuned_model]  # type: ignore[index]
    assert verify_release(run.path) == before
    assert read_losses(client, again) != read_losses(client, done)
    assert len(list_models(served.store)) == 2


def test_a_job_that_is_held_names_its_gates_and_is_not_served(
    served: Served, client: openai.OpenAI
) -> None:
    gates = {"policy": "minimal", "thresholds": {"min_gain": 1}}
    job = create(client, gates=gates)
    run_next(served.store)
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert done.status == "failed" and done.fine_tuned_model is None and done.error
    assert done.error.code == "gate_failed" and "task_gain" in done.error.message
    assert done.result_files and done.trained_tokens
    extra = done.model_extra["x_assay"]  # type: ignore[index]
    assert extra["model_state"] == "held" and extra["verdict"]["status"] == "held"
    assert list_models(served.store) == []
    held = find_model(served.store, extra["held_model"])
    assert held is not None and (locate_model(served.store, held)).is_dir()
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, model=extra["held_model"])
    assert caught.value.code == "model_held"


def test_a_run_that_refuses_its_data_says_why_and_no_folder(
    served: Served, client: openai.OpenAI
) -> None:
    job = create(client, data={"max_seq_len": 16})
    run_next(served.store)
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert done.status == "failed" and done.error
    assert (done.error.code, done.error.param) == ("invalid_training_data", "training_file")
    assert done.error.message.startswith("colours.jsonl ")
    assert str(served.store.folder) not in done.error.message


@pytest.fixture()
def worker(served: Served) -> Iterator[Worker]:
    """A worker whose jobs run in processes of their own."""
    made = Worker(served.store, pace=Pace(lease_s=5, look_s=0.1, idle_s=0.1))
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.stop()
    thread.join(90)
    assert not thread.is_alive()


def wait_for(client: openai.OpenAI, job_id: str, *statuses: str, within_s: float = 240) -> Any:
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        job = client.fine_tuning.jobs.retrieve(job_id)
        if job.status in statuses:
            return job
        time.sleep(0.1)
    raise AssertionError(f"{job.status}, not {statuses}; {job.error}")


def wait_for_step(client: openai.OpenAI, job_id: str) -> None:
    ends = time.monotonic() + 240
    while not any(
        one.type == "metrics" for one in client.fine_tuning.jobs.list_events(job_id, limit=100)
    ):
        job = client.fine_tuning.jobs.retrieve(job_id)
        assert job.status in ("validating_files", "queued", "running"), job.error
        assert time.monotonic() < ends
        time.sleep(0.05)


def list_job_processes() -> list[psutil.Process]:
    """What the process that has loaded all that jobs need has forked: one job at a time."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            parent = process.parent()
            is_forked = parent is not None and "forkserver" in " ".join(parent.cmdline())
            if is_forked and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


LONG = {"train": {"max_steps": 5000, "learning_rate": 0.01, "checkpoints": {"every_s": 0.5}}}


@pytest.mark.slow
def test_a_paused_job_leaves_a_checkpoint_and_a_cancelled_one_no_process(
    served: Served, client: openai.OpenAI, worker: Worker
) -> None:
    job = create(client, **LONG)
    wait_for_step(client, job.id)
    assert client.fine_tuning.jobs.pause(job.id).status == "paused"
    ends = time.monotonic() + 120
    while not (points := client.fine_tuning.jobs.checkpoints.list(job.id).data):
        assert time.monotonic() < ends
        time.sleep(0.1)
    while list_job_processes():
        time.sleep(0.05)
    step = points[0].step_number
    made = find_model(served.store, points[0].fine_tuned_model_checkpoint)
    assert made is not None
    assert (locate_model(served.store, made) / "adapter_model.safetensors").is_file()
    assert client.fine_tuning.jobs.resume(job.id).status == "queued"
    wait_for(client, job.id, "running")
    ends = time.monotonic() + 240
    while True:
        events = client.fine_tuning.jobs.list_events(job.id, limit=1).data
        if events[0].type == "metrics" and events[0].data["step"] > step:  # type: ignore[index]
            break
        assert time.monotonic() < ends
        time.sleep(0.1)
    (process,) = list_job_processes()
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    process.wait(30)
    steps = [
        one.data["step"]  # type: ignore[index]
        for one in client.fine_tuning.jobs.list_events(job.id, limit=1000)
        if one.type == "metrics"
    ]
    assert steps == sorted(set(steps), reverse=True), "no step is told twice"


@pytest.mark.slow
def test_a_killed_process_is_resumed_bit_for_bit(
    served: Served, client: openai.OpenAI, worker: Worker
) -> None:
    train = {"max_steps": 60, "learning_rate": 0.01, "checkpoints": {"every_s": 0.2}}
    whole = create(client, train=train)
    wait_for(client, whole.id, "succeeded")
    torn = create(client, train=train)
    wait_for_step(client, torn.id)
    (process,) = list_job_processes()
    os.kill(process.pid, signal.SIGKILL)
    done = wait_for(client, torn.id, "succeeded", "failed")
    assert done.status == "succeeded", done.error
    assert done.model_extra["x_assay"]["attempts"] == 1
    whole = client.fine_tuning.jobs.retrieve(whole.id)
    assert read_losses(client, done) == read_losses(client, whole)
