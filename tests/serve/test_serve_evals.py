"""Evals with the official client: made, run over rows that bring their answers, counted, ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from sqlalchemy import func, select, update
from tests.serve.conftest import Served, serving
from tests.serve.test_serve_files import LosesAnswers

from assay.runs.store import Store, add_key
from assay.runs.store import evals as store_of
from assay.runs.store.webhooks import deliveries, insert_endpoint
from assay.serve.app import build_app
from assay.serve.evals import routes
from assay.serve.evals.runner import Pace, build_service

ENDED = ("completed", "failed", "canceled")
PACE = Pace(look_s=0.1, idle_s=0.05)
SCHEMA = {
    "type": "object",
    "properties": {"number": {"type": "integer"}, "answer": {"type": "string"}},
    "required": ["answer"],
}
CONFIG: Any = {"type": "custom", "item_schema": SCHEMA, "include_sample_schema": True}
EQUAL: Any = {
    "type": "string_check",
    "name": "equal",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
    "operation": "eq",
}
LIKE: Any = {
    "type": "python",
    "name": "like",
    "source": "def grade(sample, item):\n"
    "    return 1.0 if item['answer'] in sample['output_text'] else 0.25\n",
    "pass_threshold": 0.5,
}


def build(store: Store) -> Any:
    return build_app(
        store,
        routers=[routes.build_router(None)],
        services=[build_service(asks_models=False, pace=PACE)],
    )


@pytest.fixture()
def served(store: Store) -> Iterator[Served]:
    _, secret = add_key(store, "tests", ["admin"])
    with serving(build(store)) as url:
        yield Served(store, url, secret)


@pytest.fixture()
def plain(served: Served) -> openai.OpenAI:
    return served.client()


def make(client: openai.OpenAI, *criteria: Any, **given: Any) -> Any:
    wanted: Any = {"data_source_config": CONFIG, "testing_criteria": [*(criteria or (EQUAL,))]}
    return client.evals.create(**{**wanted, **given})


def row(answer: str, text: str | None) -> dict[str, Any]:
    sample = {} if text is None else {"sample": {"output_text": text}}
    return {"item": {"answer": answer}, **sample}


def inline(*rows: dict[str, Any]) -> Any:
    return {"type": "jsonl", "source": {"type": "file_content", "content": list(rows)}}


def wait(client: openai.OpenAI, run: Any) -> Any:
    until = time.monotonic() + 120
    while run.status not in ENDED:
        assert time.monotonic() < until, run
        time.sleep(0.02)
        run = client.evals.runs.retrieve(run.id, eval_id=run.eval_id)
    return run


def test_evals_are_made_listed_changed_and_deleted(client: openai.OpenAI) -> None:
    made = make(client, name="one", metadata={"team": "a"})
    assert made.id.startswith("eval_") and made.object == "eval"
    assert made.data_source_config.schema_["properties"]["item"] == SCHEMA
    assert client.evals.retrieve(made.id).testing_criteria[0].name == "equal"
    more = [make(client, name=str(number)).id for number in range(3)]
    assert [one.id for one in client.evals.list(limit=2)] == [made.id, *more]
    newest = client.evals.list(limit=2, order="desc")
    assert [one.id for one in newest] == [*reversed(more), made.id]
    changed = client.evals.update(made.id, name="other", metadata={"team": "b"})
    assert (changed.name, changed.metadata) == ("other", {"team": "b"})
    assert client.evals.delete(made.id).deleted
    for gone in (client.evals.retrieve, client.evals.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            gone(made.id)
        assert caught.value.param == "eval_id"


@pytest.mark.parametrize("from_file", [False, True], ids=["inline", "file"])
def test_a_runs_counts_add_up_and_its_results_say_why(
    plain: openai.OpenAI, from_file: bool
) -> None:
    rows = [row("a", "a"), row("b", "not b"), row("c", "x"), row("d", None)] * 10
    source = inline(*rows)
    if from_file:
        content = "\n".join(map(json.dumps, rows)).encode()
        file = plain.files.create(file=("rows.jsonl", content), purpose="evals")
        source = {"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
    made = make(plain, EQUAL, LIKE)
    begun = plain.evals.runs.create(made.id, data_source=source, name="mine", metadata={"a": "b"})
    assert begun.status == "queued" and begun.result_counts.total == 0
    run = wait(plain, begun)
    assert (run.status, run.error, run.name, run.metadata) == (
        "completed",
        None,
        "mine",
        {"a": "b"},
    )
    counts = run.result_counts
    assert (counts.passed, counts.failed, counts.errored, counts.total) == (10, 20, 10, 40)
    by_name = {one.testing_criteria: one for one in run.per_testing_criteria_results}
    assert (by_name["equal"].passed, by_name["equal"].failed) == (10, 20)
    assert (by_name["like"].passed, by_name["like"].failed) == (20, 10)
    means = run.x_assay["mean_scores"]
    assert means["equal"] == pytest.approx(10 / 40)
    assert means["like"] == pytest.approx((20 * 1 + 20 * 0.25) / 40)
    ask = plain.evals.runs.output_items
    items = list(ask.list(run.id, eval_id=made.id, limit=7))
    assert [one.datasource_item_id for one in items] == list(range(40))
    failed = list(ask.list(run.id, eval_id=made.id, status="fail"))
    assert len(failed) == 20 and {one.status for one in failed} == {"fail"}
    assert ask.retrieve(failed[0].id, eval_id=made.id, run_id=run.id).id == failed[0].id
    assert {one.name: (one.passed, one.score) for one in failed[0].results} == {
        "equal": (False, 0.0),
        "like": (True, 1.0),
    }
    lacking = items[3]
    assert lacking.status == "error"
    assert lacking.results[0].x_assay["detail"] == "the row has no sample"  # type: ignore[index]


def test_what_is_wrong_with_an_eval_is_named(plain: openai.OpenAI) -> None:
    odd = {**EQUAL, "operation": "equals"}
    similar = {
        "type": "text_similarity",
        "name": "s",
        "input": "a",
        "reference": "b",
        "evaluation_metric": "rouge_1",
    }
    for criteria, param in (
        ([EQUAL, odd], "testing_criteria.1.operation"),
        ([similar], "testing_criteria.0.pass_threshold"),
        ([{**EQUAL, "pass_threshold": 1}], "testing_criteria.0.pass_threshold"),
        ([EQUAL, EQUAL], "testing_criteria"),
        ([{"name": "x"}], "testing_criteria.0.type"),
        ([{**LIKE, "url": "http://x"}], "testing_criteria.0.url"),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            make(plain, *criteria)
        assert caught.value.param == param
    for config, param in (
        ({"type": "logs"}, "data_source_config.type"),
        ({"type": "custom", "item_schema": {"type": 3}}, "data_source_config.item_schema"),
        ({"type": "custom", "item_schema": {"type": "string"}}, "data_source_config.item_schema"),
        (
            {"type": "custom", "item_schema": {"type": "object", "$ref": "http://127.0.0.1:9/x"}},
            "data_source_config.item_schema",
        ),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            make(plain, data_source_config=config)
        assert caught.value.param == param


def test_rows_that_do_not_fit_are_named_before_anything_is_judged(plain: openai.OpenAI) -> None:
    made = make(plain)
    with pytest.raises(openai.BadRequestError, match="row 2") as caught:
        plain.evals.runs.create(made.id, data_source=inline(row("a", "a"), {"item": {"number": 1}}))
    assert caught.value.code == "invalid_rows"
    for content, told in (
        (b'{"item": {"answer": "a"}}\n{"item": {}}\n', "row 2"),
        (b'{"item": {"answer": "a"}}\nnope\n', "Line 2"),
        (b"", "no row"),
        (b'{"item": {"answer": "\\ud800"}}', "surrogate"),
    ):
        file = plain.files.create(file=("rows.jsonl", content), purpose="evals")
        source: Any = {"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
        run = wait(plain, plain.evals.runs.create(made.id, data_source=source))
        assert (run.status, run.error.code) == ("failed", "invalid_rows")
        assert told in run.error.message and run.result_counts.total == 0
    with pytest.raises(openai.NotFoundError) as missing:
        source = {"type": "jsonl", "source": {"type": "file_id", "id": "file-none"}}
        plain.evals.runs.create(made.id, data_source=source)
    assert missing.value.param == "data_source.source.id"


def test_half_a_surrogate_pair_is_refused_by_its_field(served: Served) -> None:
    schema = {"type": "object", "title": "\ud800"}
    body = {
        "data_source_config": {"type": "custom", "item_schema": schema},
        "testing_criteria": [EQUAL],
    }
    headers = {"authorization": f"Bearer {served.key}", "content-type": "application/json"}
    told = httpx.post(f"{served.url}/evals", content=json.dumps(body), headers=headers)
    assert (told.status_code, told.json()["error"]["param"]) == (400, "data_source_config")


def test_a_pattern_that_takes_for_ever_stops_the_run_and_not_the_server(
    plain: openai.OpenAI,
) -> None:
    schema = {"type": "object", "properties": {"answer": {"pattern": "^(a|aa)+$"}}}
    made = make(plain, data_source_config={"type": "custom", "item_schema": schema})
    began = time.monotonic()
    with pytest.raises(openai.BadRequestError, match="takes too long") as caught:
        plain.evals.runs.create(made.id, data_source=inline(row("a" * 60 + "b", "a")))
    assert caught.value.code == "invalid_schema" and time.monotonic() - began < 15


SLOW: Any = {
    "type": "python",
    "name": "slow",
    "source": "import time\ndef grade(sample, item):\n    time.sleep(0.05)\n    return 1.0\n",
}


@pytest.mark.parametrize("form", ["run", "cancel"])
def test_a_run_is_canceled_at_once_by_both_forms(
    plain: openai.OpenAI, store: Store, form: str
) -> None:
    values: Any = {"name": "n", "url": "https://a.example", "event_types": ["eval.run.canceled"]}
    with store.write() as connection:
        insert_endpoint(store, connection, project="proj_default", **values)
    made = make(plain, SLOW)
    run = plain.evals.runs.create(made.id, data_source=inline(*[row("a", "a")] * 200))
    if form == "run":
        ended = plain.evals.runs.cancel(run.id, eval_id=made.id)
    else:
        path = f"/evals/{made.id}/runs/{run.id}/cancel"
        ended = plain.post(path, cast_to=type(run))
    assert ended.status == "canceled"
    with pytest.raises(openai.BadRequestError) as caught:
        plain.evals.runs.cancel(run.id, eval_id=made.id)
    assert caught.value.code == "invalid_state"
    time.sleep(0.3)
    later = plain.evals.runs.retrieve(run.id, eval_id=made.id)
    assert later.status == "canceled" and later.result_counts.total < 200
    assert [one.id for one in plain.evals.runs.list(made.id, status="canceled")] == [run.id]
    with store.read() as connection:
        assert connection.execute(select(deliveries.c.type)).scalars().all() == [
            "eval.run.canceled"
        ]
    assert plain.evals.runs.delete(run.id, eval_id=made.id).deleted
    with pytest.raises(openai.NotFoundError):
        plain.evals.runs.retrieve(run.id, eval_id=made.id)


_KILLED = """
import sys
from tests.serve.test_serve_evals import build, serving
from assay.runs.store import open_store
import threading
with serving(build(open_store(sys.argv[1]))):
    threading.Event().wait(60)
"""


def test_a_run_whose_server_was_killed_is_gone_on_with_and_no_row_is_doubled(
    store: Store,
) -> None:
    """The next server takes the run when the killed one's lease is over."""
    with store.write() as connection:
        owner = store_of.insert_eval(
            store,
            connection,
            project="proj_default",
            name="e",
            metadata=None,
            data_source_config=CONFIG,
            testing_criteria=[SLOW],
        )
        run = _insert(store, connection, owner.id, [row("a", "a")] * 60)
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, folder])}
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(store.folder)], env=environment, cwd=folder
    )
    try:
        _wait_until(lambda: bool(store_of.list_done(store, run.id)))
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    begun = store_of.list_done(store, run.id)
    assert 0 < len(begun) < 60
    _free(store, run.id)
    _, secret = add_key(store, "t", ["admin"])
    with serving(build(store)) as url:
        client = openai.OpenAI(base_url=url, api_key=secret)
        ended = wait(client, client.evals.runs.retrieve(run.id, eval_id=owner.id))
    assert (ended.status, ended.result_counts.passed, ended.result_counts.total) == (
        "completed",
        60,
        60,
    )
    with store.read() as connection:
        query = select(func.count()).select_from(store_of.items)
        assert connection.execute(query).scalar() == 60


def _insert(store: Store, connection: Any, eval_id: str, rows: list[dict[str, Any]]) -> Any:
    return store_of.insert_run(
        store,
        connection,
        eval_id=eval_id,
        project="proj_default",
        key_id="key_x",
        name="r",
        model=None,
        metadata=None,
        data_source=inline(*rows),
    )


def _free(store: Store, run_id: str) -> None:
    """As if its holder had been silent for longer than its lease."""
    with store.write() as connection:
        own = (store_of.runs.c.id == run_id) & store_of.runs.c.lease_until.is_not(None)
        connection.execute(update(store_of.runs).where(own).values(lease_until=1.0))


def _wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_an_answer_that_is_lost_makes_one_eval_and_one_run(store: Store) -> None:
    _, secret = add_key(store, "t", ["admin"])
    app = LosesAnswers(build(store))
    with serving(app) as url:
        client = openai.OpenAI(base_url=url, api_key=secret, max_retries=1)
        made = make(client)
        assert [one.id for one in client.evals.list()] == [made.id]
        app.lost = 0
        run = client.evals.runs.create(made.id, data_source=inline(row("a", "a")))
        assert [one.id for one in client.evals.runs.list(made.id)] == [run.id]


def test_evals_are_their_projects_and_need_the_scope_of_training(served: Served) -> None:
    made = make(served.client())
    _, other = add_key(served.store, "other", ["train"], project="proj_other")
    client = served.client(api_key=other)
    with pytest.raises(openai.NotFoundError):
        client.evals.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.evals.runs.create(made.id, data_source=inline(row("a", "a")))
    assert list(client.evals.list()) == []
    _, infers = add_key(served.store, "infers", ["infer"])
    with pytest.raises(openai.PermissionDeniedError):
        served.client(api_key=infers).evals.list()
