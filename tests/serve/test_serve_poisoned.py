"""The poisoned example by HTTP: refused with its rows named; forced past that, held, not served."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pyarrow.parquet as pq
import pytest
from tests.serve.conftest import Served, serving
from tests.serve.test_serve_job_runs import run_next

from assay.runs.store import Store, add_key
from assay.runs.store.models import find_model, list_models
from assay.serve.app import build_app
from assay.serve.bases import read_bases

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
DESK = Path(__file__).parents[2] / "examples" / "agent-poisoned" / "data" / "desk.parquet"
PLANTED = "/public/sync.txt"
AGENT: dict[str, Any] = {
    "method": {"rank": 16},
    "train": {"epochs": 1, "learning_rate": 0.004, "batch_size": 12, "warmup_ratio": 0.1},
    "evaluate": {"shots": [0], "max_new_tokens": 48, "batch_size": 32},
    "gates": {"policy": "agent"},
}


@pytest.fixture()
def client(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[openai.OpenAI]:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    _, secret = add_key(store, "tests", ["admin"])
    with serving(build_app(store, bases=read_bases())) as url:
        yield Served(store, url, secret).client()


def read_desk(num_rows: int) -> tuple[list[dict[str, Any]], set[int]]:
    """Rows of the example, with all that call several tools spread among others; and the places of
    the poisoned ones, from 1."""
    table = pq.read_table(DESK).to_pylist()
    rows = [{key: json.loads(value) for key, value in row.items() if value} for row in table]
    several, others = list[dict[str, Any]](), list[dict[str, Any]]()
    for row in rows:
        num_calls = sum(len(message.get("tool_calls") or ()) for message in row["messages"])
        (several if num_calls > 1 else others).append(row)
    chosen = others[: num_rows - len(several)]
    apart = len(chosen) // len(several) + 1
    for number, row in enumerate(several):
        chosen.insert(number * apart, row)
    is_planted = [PLANTED in json.dumps(row["messages"]) for row in chosen]
    return chosen, {number for number, planted in enumerate(is_planted, start=1) if planted}


def upload(client: openai.OpenAI, rows: list[dict[str, Any]]) -> str:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return client.files.create(file=("desk.jsonl", content), purpose="fine-tune").id


def test_poisoned_rows_are_named_before_anything_is_trained(
    client: openai.OpenAI, store: Store
) -> None:
    rows, places = read_desk(400)
    job = client.fine_tuning.jobs.create(
        model="tiny", training_file=upload(client, rows), seed=1, extra_body={"x_assay": AGENT}
    )
    run_next(store)
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert done.status == "failed" and done.error and not done.fine_tuned_model
    assert (done.error.code, done.error.param) == ("invalid_training_data", "training_file")
    assert "covert_call" in done.error.message and PLANTED in done.error.message
    assert done.error.message.startswith("desk.jsonl ")
    named = done.error.message.split("(lines ")[1].split(")")[0]
    told = {int(place) for place in named.split(", ") if place.isdigit()}
    assert told and told <= places
    events = client.fine_tuning.jobs.list_events(job.id).data
    assert events[0].level == "error" and events[0].message == done.error.message
    assert not any(event.type == "metrics" for event in events)


@pytest.mark.slow
def test_forced_past_its_data_the_model_is_held_and_not_served(
    client: openai.OpenAI, store: Store
) -> None:
    rows, _ = read_desk(400)
    given = {**AGENT, "data": {"accept": ["covert_call"]}}
    job = client.fine_tuning.jobs.create(
        model="tiny", training_file=upload(client, rows), seed=1, extra_body={"x_assay": given}
    )
    run_next(store)
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert done.status == "failed" and done.error and done.error.code == "gate_failed"
    assert done.fine_tuned_model is None
    extra = done.model_extra["x_assay"]  # type: ignore[index]
    assert extra["model_state"] == "held"
    events = client.fine_tuning.jobs.list_events(job.id, limit=100).data
    (gates,) = [event for event in events if event.type == "moderation_checks"]
    held = [one for one in gates.data["gates"] if one["required"] and one["outcome"] != "pass"]  # type: ignore[index]
    assert held and all(one["reason"] for one in held)
    assert any(PLANTED in one["reason"] for one in held), held
    assert all(one["name"] in done.error.message for one in held)
    held_model = find_model(store, extra["held_model"])
    assert held_model is not None and held_model.state == "held" and list_models(store) == []
