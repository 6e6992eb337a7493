"""The outbox on SQLite and PostgreSQL: each end of a job is there once, until it was told."""

import json
from typing import Any

import pytest
from sqlalchemy import func, select, update

from assay.runs.store import Store
from assay.runs.store.jobs import StateConflict, cancel_job, insert_job
from assay.runs.store.owners import insert_owner
from assay.runs.store.queue import MAX_ATTEMPTS, claim_run, finish, let_go
from assay.runs.store.tables import jobs
from assay.runs.store.webhooks import (
    EVENT_TYPES,
    GIVE_UP_S,
    OLD_SECRET_S,
    Delivery,
    add_event,
    change_endpoint,
    delete_endpoint,
    deliveries,
    end_delivery,
    find_endpoint,
    insert_endpoint,
    list_secrets,
    rotate_secret,
    take_deliveries,
)

P = "proj_default"


def add_job(store: Store, job_id: str) -> str:
    with store.write() as connection:
        insert_job(
            connection,
            id=job_id,
            status="queued",
            model="tiny",
            base="tiny",
            training_file="file-1",
            seed=0,
            priority=0,
            num_attempts=0,
            not_before=0.0,
            created_at=0.0,
        )
    return job_id


def add_endpoint(store: Store, **values: Any) -> Any:
    given = {"project": P, "name": "n", "url": "https://a.example", "event_types": EVENT_TYPES}
    with store.write() as connection:
        return insert_endpoint(store, connection, **{**given, **values})


def take(store: Store, for_s: float = 60.0) -> list[Delivery]:
    return list(take_deliveries(store, for_s=for_s, limit=10))


def read(delivery: Delivery) -> tuple[str, str]:
    event = json.loads(delivery.body)
    return event["type"], event["data"]["id"]


def make_due(store: Store) -> None:
    with store.write() as connection:
        connection.execute(update(deliveries).values(not_before=0.0))


def count(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(deliveries)).scalar() or 0)


def test_every_end_of_a_job_is_told_once(store: Store) -> None:
    add_endpoint(store)
    for job_id, status in (("a", "succeeded"), ("b", "failed")):
        add_job(store, job_id)
        lease = claim_run(store, "w")
        assert lease is not None and finish(store, lease, status)
        assert not finish(store, lease, status)
    cancel_job(store, add_job(store, "c"))
    with pytest.raises(StateConflict):
        cancel_job(store, "c")
    for attempt in range(MAX_ATTEMPTS):
        lease = claim_run(store, "w") if attempt else claim_run(store, add_job(store, "d"))
        assert lease is not None
        let_go(store, lease, "queued", crashed=True)
    lease = claim_run(store, add_job(store, "e"))
    assert lease is not None
    with store.write() as connection:
        silent = {"lease_until": 1.0, "num_attempts": MAX_ATTEMPTS}
        connection.execute(update(jobs).where(jobs.c.id == "e").values(**silent))
    assert claim_run(store, "w") is None
    assert [read(one) for one in take(store)] == [
        ("fine_tuning.job.succeeded", "a"),
        ("fine_tuning.job.failed", "b"),
        ("fine_tuning.job.cancelled", "c"),
        ("fine_tuning.job.failed", "d"),
        ("fine_tuning.job.failed", "e"),
    ]


def test_an_event_is_there_if_what_happened_is(store: Store) -> None:
    add_endpoint(store)
    with pytest.raises(RuntimeError), store.write() as connection:
        add_event(store, connection, EVENT_TYPES[0], "a", project=P)
        raise RuntimeError("killed before the commit")
    assert take(store) == []


def test_an_event_goes_to_those_of_its_project_who_take_its_kind(store: Store) -> None:
    own = add_endpoint(store)
    add_endpoint(store, event_types=["fine_tuning.job.failed"])
    other = add_endpoint(store, project="q")
    with store.write() as connection:
        add_event(store, connection, "fine_tuning.job.succeeded", "a", project=P)
        add_event(store, connection, "fine_tuning.job.succeeded", "b", project="q")
    told = [(one.endpoint_id, read(one)[1]) for one in take(store)]
    assert told == [(own.id, "a"), (other.id, "b")]


def test_the_end_of_a_job_is_told_to_its_own_project(store: Store) -> None:
    add_endpoint(store)
    other = add_endpoint(store, project="q")
    add_job(store, "mine")
    with store.write() as connection:
        insert_owner(connection, "mine", "q")
    cancel_job(store, "mine")
    assert [one.endpoint_id for one in take(store)] == [other.id]


def test_what_nobody_finished_is_taken_again_under_the_same_id(store: Store) -> None:
    add_endpoint(store)
    with store.write() as connection:
        add_event(store, connection, EVENT_TYPES[0], "a", project=P)
    (first,) = take(store)
    assert take(store) == []
    make_due(store)
    (second,) = take(store)
    assert (second.event_id, second.body) == (first.event_id, first.body)
    assert (first.attempt, second.attempt) == (1, 2)
    # Who took it first comes back late: the delivery is the other's now.
    end_delivery(store, first, told=False)
    assert take(store) == []
    end_delivery(store, second, told=True)
    assert count(store) == 0


def test_waits_double_to_an_hour_and_end_after_three_days(store: Store) -> None:
    add_endpoint(store)
    with store.write() as connection:
        add_event(store, connection, EVENT_TYPES[0], "a", project=P)
    waits = []
    for _ in range(12):
        make_due(store)
        (taken,) = take(store)
        end_delivery(store, taken, told=False)
        with store.read() as connection:
            due = connection.execute(select(deliveries.c.not_before)).scalar()
            waits.append(float(due or 0) - store.now(connection))
    assert waits == pytest.approx([min(5 * 2**n, 3600) for n in range(12)], abs=2)
    with store.write() as connection:
        began = store.now(connection) - GIVE_UP_S
        connection.execute(update(deliveries).values(not_before=0.0, created_at=began))
    (last,) = take(store)
    assert last.is_last
    end_delivery(store, last, told=False)
    assert count(store) == 0


def test_an_old_secret_signs_for_a_day_where_it_is_kept(store: Store) -> None:
    made = add_endpoint(store)
    kept = rotate_secret(store, made.id, P, keep_old=True)
    assert kept is not None
    now_s = kept.updated_at
    assert list_secrets(kept, now_s) == (kept.secret, made.secret)
    assert list_secrets(kept, now_s + OLD_SECRET_S + 1) == (kept.secret,)
    changed = rotate_secret(store, made.id, P, keep_old=False)
    assert changed is not None
    assert list_secrets(changed, now_s) == (changed.secret,)
    assert len({made.secret, kept.secret, changed.secret}) == 3


def test_an_endpoint_is_its_projects_and_goes_with_its_deliveries(store: Store) -> None:
    made = add_endpoint(store)
    with store.write() as connection:
        add_event(store, connection, EVENT_TYPES[0], "a", project=P)
    assert find_endpoint(store, made.id, "q") is None
    assert change_endpoint(store, made.id, "q", name="x") is None
    assert rotate_secret(store, made.id, "q", keep_old=False) is None
    assert not delete_endpoint(store, made.id, "q")
    unchanged = change_endpoint(store, made.id, P, name="n")
    assert unchanged is not None and unchanged.updated_at == made.updated_at
    assert count(store) == 1
    assert delete_endpoint(store, made.id, P)
    assert count(store) == 0
