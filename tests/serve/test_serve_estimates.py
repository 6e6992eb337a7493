"""Estimates of jobs: tokens by the template, memory by shapes, time and cost by earlier jobs."""

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from sqlalchemy import insert
from stored_models import add_job
from tests.serve.conftest import Served, serving
from tests.serve.test_serve_job_runs import QUICK, upload_colours
from tests.serve.test_serve_jobs import check

from assay.chat import load_chat_tokenizer, render_conversation
from assay.models.base import find_base, load_model
from assay.runs.store import Store, add_key
from assay.runs.store.estimates import find_estimate, keep_estimate, read_pace
from assay.runs.store.events import list_events
from assay.runs.store.queue import claim_run
from assay.runs.store.tables import events
from assay.serve.app import build_app
from assay.serve.bases import Bases
from assay.serve.jobs.base_shape import find_local_folder, read_shape
from assay.serve.jobs.watch import JobProgress


@pytest.fixture()
def client(store: Store, small_base: Path) -> Any:
    _, secret = add_key(store, "tests", ["admin"])
    with serving(build_app(store, bases=Bases({"gpt-4.1-mini": str(small_base)}))) as url:
        yield Served(store, url, secret).client()


def create(client: openai.OpenAI, **changes: Any) -> str:
    body = {"x_assay": {**QUICK, **changes}}
    return client.fine_tuning.jobs.create(
        model="gpt-4.1-mini", training_file=upload_colours(client), extra_body=body
    ).id


def read_estimate(client: openai.OpenAI, job: str) -> Any:
    return client.fine_tuning.jobs.retrieve(job).model_extra["x_assay"]["estimate"]  # type: ignore[index]


def add_earlier(
    store: Store, job: str, base: str, *, tokens: int, rate: float, other_s: float, **more: Any
) -> None:
    """A job that trained `tokens` at `rate` a second, and took `other_s` beside that."""
    end = 1000.0 + tokens / rate + other_s
    given = {"method": {"type": "supervised"}, "trained_tokens": tokens, "finished_at": end}
    add_job(store, job, **{"base": base, **given, **more})
    common = {"job_id": job, "level": "info", "created_at": 1000.0}
    data = {"tokens_per_second": rate}
    with store.write() as connection:
        for values in (
            {"id": f"{job}-a", "type": "message", "message": "", "once": "started"},
            {"id": f"{job}-b", "type": "metrics", "message": "", "data": data},
        ):
            connection.execute(insert(events).values(**common, **values))


def test_shapes_are_those_of_the_loaded_model(small_base: Path) -> None:
    for name in ("tiny", str(small_base)):
        folder = find_local_folder(name)
        assert folder is not None
        shape, model = read_shape(folder), load_model(find_base(name))
        assert shape is not None
        assert shape.num_params == sum(p.numel() for p in model.parameters())
        layers = [m for n, m in model.named_modules() if n.endswith(("_proj",))]
        assert sorted((r, c) for _, r, c in shape.matrices) == sorted(
            tuple(m.weight.shape) for m in layers
        )
    assert find_local_folder("nobody/none-such") is None
    assert read_shape(small_base / "none") is None


def test_a_checked_job_tells_tokens_and_memory_before_it_runs(
    client: openai.OpenAI, store: Store, small_base: Path
) -> None:
    job = create(client)
    assert read_estimate(client, job) is None
    check(store)
    found = read_estimate(client, job)
    tokenizer = load_chat_tokenizer(small_base)
    rows = (store.folder / "jobs" / job / "train.jsonl").read_text().splitlines()
    each = [
        len(render_conversation(tokenizer, json.loads(row)["messages"]).examples[0].input_ids)
        for row in rows
    ]
    # Six steps of sixteen rows.
    assert found["tokens"] == round(96 * sum(each) / len(each))
    # 2 layers of 4 heads: q, k, v, o of 32×32, 16×32, 16×32, 32×32; three of 64×32.
    trained = 2 * 4 * (64 + 48 + 48 + 64 + 3 * 96)
    params = 4096 * 32 + 2 * (2 * 1024 + 2 * 512 + 3 * 2048 + 64) + 32
    micro = max(max(each), round(16 * sum(each) / len(each)))
    states = micro * 2 * (8 * 32 + 4 * 64 + 2 * 16) * 4 * 2.5
    expected = params * 4 + trained * 16 + states + 400_000_000
    assert found["memory_bytes"] == pytest.approx(expected, abs=2)
    assert (found["duration_s"], found["cost"]) == (None, None)
    page = list_events(store, job, after=None, limit=1)
    assert page is not None and page.rows[0].message.startswith("Estimate: about ")


def test_time_and_cost_are_by_earlier_jobs_of_the_base_and_method(
    client: openai.OpenAI, store: Store, small_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = str(small_base)
    for place, (rate, other_s) in enumerate([(100.0, 10.0), (200.0, 20.0), (400.0, 90.0)]):
        add_earlier(store, f"ftjob-{place}", base, tokens=1000, rate=rate, other_s=other_s)
    slow: dict[str, Any] = {"tokens": 1000, "rate": 1.0, "other_s": 1.0}
    add_earlier(store, "ftjob-dpo", base, method={"type": "dpo"}, **slow)
    add_earlier(store, "ftjob-other", "tiny", **slow)
    add_earlier(store, "ftjob-again", base, num_attempts=1, **slow)
    pace = read_pace(store, base, "supervised")
    assert pace is not None
    assert (pace.tokens_per_s, pace.other_s, pace.num_jobs) == (200.0, pytest.approx(20.0), 3)
    assert read_pace(store, base, "reinforcement") is None
    monkeypatch.setenv("ASSAY_PRICE_PER_HOUR", "36")
    job = create(client)
    check(store)
    found = read_estimate(client, job)
    assert found["duration_s"] == pytest.approx(found["tokens"] / 200 + 20, abs=0.1)
    assert found["cost"] == pytest.approx(found["duration_s"] / 100)
    assert found["duration_of"] == "the median of 3 earlier jobs"
    monkeypatch.setenv("ASSAY_PRICE_PER_HOUR", "free")
    job = create(client)
    check(store)
    assert read_estimate(client, job)["cost"] is None


def test_a_running_job_tells_by_its_own_steps(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_job(store, "ftjob-1", status="queued")
    keep_estimate(store, "ftjob-1", {"tokens": 10, "duration_s": None, "duration_of": ""})
    lease = claim_run(store, "tests")
    assert lease is not None
    clock = [1000.0]
    monkeypatch.setattr("assay.serve.jobs.watch.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("assay.serve.jobs.watch.time.time", lambda: 5000.0 + clock[0])
    monkeypatch.setenv("ASSAY_PRICE_PER_HOUR", "7200")
    progress = JobProgress(store, lease)
    for step in (1, 2):
        clock[0] += 30
        progress.step({"step": step, "train/loss": 1.0}, 11)
    # From 1000 on: 60 s until here, and nine steps of 30 s are left.
    found = find_estimate(store, "ftjob-1")
    assert found is not None
    assert found["duration_s"] == 60 + 270 and found["duration_of"] == "its own steps so far"
    assert found["cost"] == 660.0
