"""Runs of evals on SQLite and PostgreSQL: one holder at a time, and nothing written by others."""

from typing import Any

import pytest
from sqlalchemy import update

from assay.runs.store import Store
from assay.runs.store.evals import (
    MAX_ATTEMPTS,
    RunEnded,
    add_items,
    cancel_run,
    claim_run,
    delete_eval,
    find_run,
    finish_run,
    insert_eval,
    insert_run,
    let_go,
    list_done,
    list_items,
    renew,
    runs,
)


def add(store: Store, *, model: str | None = None) -> Any:
    with store.write() as connection:
        values: Any = {"metadata": None, "data_source_config": {}, "testing_criteria": []}
        owner = insert_eval(store, connection, project="p", name="e", **values)
        return insert_run(
            store,
            connection,
            eval_id=owner.id,
            project="p",
            key_id="k",
            name="r",
            model=model,
            metadata=None,
            data_source={},
        )


def claim(store: Store, *, asks_models: bool = True) -> Any:
    taken = claim_run(store, asks_models=asks_models)
    assert taken is not None
    return taken


def expire(store: Store) -> None:
    with store.write() as connection:
        connection.execute(update(runs).values(lease_until=1.0))


def result(number: int) -> dict[str, Any]:
    return {"number": number, "status": "pass", "item": {}, "sample": {}, "results": []}


def status_of(store: Store, run: Any) -> str:
    row = find_run(store, run.eval_id, run.id)
    assert row is not None
    return str(row.status)


def test_who_lost_a_run_writes_nothing_of_it(store: Store) -> None:
    run = add(store)
    first, _ = claim(store)
    assert claim_run(store, asks_models=True) is None
    assert add_items(store, first, [result(0)], {"passed": 1})
    expire(store)
    second, row = claim(store)
    assert row.totals == {"passed": 1} and row.num_attempts == 0
    assert not add_items(store, first, [result(1)], {"passed": 2})
    assert not finish_run(store, first, "failed") and not renew(store, first)
    assert add_items(store, second, [result(1)], {"passed": 2}) and renew(store, second)
    assert list_done(store, run.id) == {0, 1}
    assert finish_run(store, second, "completed") and status_of(store, run) == "completed"
    with pytest.raises(RunEnded):
        cancel_run(store, run.id)


def test_a_run_that_is_canceled_is_lost_by_its_holder(store: Store) -> None:
    run = add(store)
    lease, _ = claim(store)
    assert cancel_run(store, run.id).status == "canceled"
    assert not renew(store, lease) and not add_items(store, lease, [result(0)], {})
    assert not finish_run(store, lease, "completed") and status_of(store, run) == "canceled"


def test_a_run_that_ends_its_holders_fails_with_the_reason(store: Store) -> None:
    run = add(store)
    for _ in range(MAX_ATTEMPTS):
        claim(store)
        expire(store)
    assert claim_run(store, asks_models=True) is None
    row = find_run(store, run.eval_id, run.id)
    assert row is not None and (row.status, row.error["code"]) == ("failed", "worker_lost")


def test_a_run_that_is_given_back_is_no_failed_attempt(store: Store) -> None:
    run = add(store)
    for _ in range(MAX_ATTEMPTS + 1):
        lease, row = claim(store)
        assert row.num_attempts == 0
        let_go(store, lease)
    assert status_of(store, run) == "queued"


def test_a_server_without_models_leaves_runs_that_ask_them(store: Store) -> None:
    add(store, model="tiny")
    plain = add(store)
    _, row = claim(store, asks_models=False)
    assert row.id == plain.id
    assert claim_run(store, asks_models=False) is None
    _, row = claim(store)
    assert row.model == "tiny"


def test_an_eval_goes_with_its_runs_and_results(store: Store) -> None:
    run = add(store)
    lease, _ = claim(store)
    add_items(store, lease, [result(0)], {})
    assert not delete_eval(store, run.eval_id, "q")
    assert delete_eval(store, run.eval_id, "p")
    assert find_run(store, run.eval_id, run.id) is None and not renew(store, lease)
    page = list_items(store, run.id, after=None, limit=5, newest_first=False, status=None)
    assert page is not None and page.rows == []
