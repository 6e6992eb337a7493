"""The queue on SQLite and PostgreSQL: one holder a job, whoever ends; none lost or doubled."""

import threading
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select, update

from assay.runs.store import DEFAULT_PROJECT, Store
from assay.runs.store.events import insert_event, list_events
from assay.runs.store.jobs import (
    NO_METADATA,
    StateConflict,
    cancel_job,
    count_by_status,
    find_job,
    insert_job,
    list_jobs,
    pause_job,
    resume_job,
)
from assay.runs.store.queue import (
    MAX_ATTEMPTS,
    Lease,
    Wanted,
    claim_check,
    claim_run,
    finish,
    holds,
    let_go,
    note,
    renew,
)
from assay.runs.store.tables import jobs


def add(store: Store, job_id: str, status: str = "queued", **values: Any) -> str:
    given = {"seed": 0, "priority": 0, "num_attempts": 0, "not_before": 0.0, "created_at": 0.0}
    with store.write() as connection:
        insert_job(
            connection,
            id=job_id,
            status=status,
            model="tiny",
            base="tiny",
            training_file="file-1",
            **{**given, **values},
        )
    return job_id


def status_of(store: Store, job_id: str) -> str:
    row = find_job(store, job_id)
    assert row is not None
    return str(row.status)


def expire(store: Store, job_id: str) -> None:
    """As if its worker had been silent for longer than its lease."""
    with store.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(lease_until=1.0))


def claim(store: Store, owner: str = "w") -> Lease:
    lease = claim_run(store, owner)
    assert lease is not None
    return lease


def test_eight_workers_take_each_job_once(store: Store) -> None:
    ids = {add(store, f"ftjob-{number}") for number in range(24)}
    taken: list[str] = []

    def work(owner: str) -> None:
        while (lease := claim_run(store, owner)) is not None:
            taken.append(lease.job_id)
            assert renew(store, lease) is Wanted.GO_ON
            assert finish(store, lease, "succeeded")

    threads = [threading.Thread(target=work, args=[f"w{n}"]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(Counter(taken).values()) == {1} and set(taken) == ids
    assert count_by_status(store) == {"succeeded": 24}


def test_priority_comes_first_and_then_age(store: Store) -> None:
    for job_id, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5)):
        add(store, job_id, priority=priority)
    assert [claim(store).job_id for _ in range(4)] == ["b", "d", "a", "c"]
    assert claim_run(store, "w") is None


def test_a_silent_worker_loses_its_job_and_what_it_writes_then(store: Store) -> None:
    add(store, "a")
    first = claim(store, "one")
    assert claim_run(store, "two") is None
    expire(store, "a")
    second = claim(store, "two")
    assert second.job_id == "a" and second.token != first.token
    assert renew(store, first) is Wanted.LOST
    assert not note(store, first, trained_tokens=1)
    assert not finish(store, first, "failed")
    assert not let_go(store, first, "queued")
    with store.read() as connection:
        assert not holds(connection, first) and holds(connection, second)
    assert finish(store, second, "succeeded")
    assert status_of(store, "a") == "succeeded"


def test_a_job_whose_workers_die_fails_in_the_end_and_says_so(store: Store) -> None:
    add(store, "a")
    for _ in range(MAX_ATTEMPTS):
        claim(store)
        expire(store, "a")
    assert claim_run(store, "w") is None
    row = find_job(store, "a")
    assert row is not None and row.status == "failed" and row.error["code"] == "worker_lost"
    page = list_events(store, "a", after=None, limit=5)
    assert page is not None and page.rows[0].level == "error"


def test_crashes_of_its_process_count_and_a_clean_end_does_not(store: Store) -> None:
    add(store, "a")
    for _ in range(5):
        assert let_go(store, claim(store), "queued")
    for number in range(MAX_ATTEMPTS):
        assert status_of(store, "a") == "queued"
        assert let_go(store, claim(store), "queued", crashed=True), number
    assert status_of(store, "a") == "failed"


def test_a_job_that_is_given_back_for_later_waits(store: Store) -> None:
    add(store, "a")
    let_go(store, claim(store), "queued", delay_s=60)
    assert claim_run(store, "w") is None


@pytest.mark.parametrize("status", ["validating_files", "queued", "running", "paused"])
def test_cancelling_ends_a_job_at_once_in_every_state(store: Store, status: str) -> None:
    add(store, "a", "validating_files" if status == "validating_files" else "queued")
    lease = claim(store) if status in ("running", "paused") else None
    if status == "paused":
        pause_job(store, "a")
    assert cancel_job(store, "a").status == "cancelled"
    if lease is not None:
        assert renew(store, lease) is Wanted.LOST
        assert not finish(store, lease, "succeeded")
    with pytest.raises(StateConflict) as caught:
        cancel_job(store, "a")
    assert caught.value.status == "cancelled"
    assert claim_run(store, "w") is None and claim_check(store, "w") is None


def test_a_paused_job_is_left_alone_until_it_is_let_go_and_resumed(store: Store) -> None:
    add(store, "a")
    lease = claim(store)
    assert pause_job(store, "a").status == "paused"
    assert renew(store, lease) is Wanted.PAUSE
    assert resume_job(store, "a").status == "queued"
    assert claim_run(store, "other") is None, "its worker still writes the checkpoint"
    assert let_go(store, lease, "queued")
    assert claim(store, "other").job_id == "a"
    pause_job(store, "a")
    with pytest.raises(StateConflict):
        pause_job(store, "a")


def test_a_pause_before_the_files_were_checked_checks_them_later(store: Store) -> None:
    add(store, "a", "validating_files")
    lease = claim_check(store, "w")
    assert lease is not None and claim_check(store, "w") is None
    pause_job(store, "a")
    assert let_go(store, lease, "queued")
    assert status_of(store, "a") == "paused"
    assert resume_job(store, "a").status == "validating_files"


def test_jobs_are_found_by_metadata_and_by_its_absence(store: Store) -> None:
    add(store, "a", metadata={"k": "v", 'odd "key"': "w"})
    add(store, "b", metadata={"k": "other"})
    add(store, "c")

    def find(metadata: Any) -> list[str]:
        page = list_jobs(store, DEFAULT_PROJECT, after=None, limit=10, metadata=metadata)
        assert page is not None
        return [row.id for row in page.rows]

    assert find({"k": "v"}) == ["a"]
    assert find({"k": "v", 'odd "key"': "w"}) == ["a"]
    assert find({"k": "v", "x": "y"}) == []
    assert find(NO_METADATA) == ["c"]
    assert find(None) == ["c", "b", "a"]


def test_an_event_told_again_is_kept_once_and_pages_hold(store: Store) -> None:
    add(store, "a")
    with store.write() as connection:
        told = [insert_event(store, connection, "a", "x", once="step 1") for _ in range(2)]
        for number in range(5):
            insert_event(store, connection, "a", str(number))
    assert told == [True, False]
    seen: list[str] = []
    after = None
    while True:
        page = list_events(store, "a", after=after, limit=2)
        assert page is not None
        seen += [row.message for row in page.rows]
        if not page.has_more:
            break
        after = page.rows[-1].id
        with store.write() as connection:
            insert_event(store, connection, "a", "late")
    assert seen == ["4", "3", "2", "1", "0", "x"]


def test_every_row_of_a_job_survives_a_lost_transaction(store: Store) -> None:
    add(store, "a")
    lease = claim(store)
    with pytest.raises(RuntimeError), store.write() as connection:
        connection.execute(update(jobs).values(status="succeeded"))
        raise RuntimeError
    with store.read() as connection:
        row = connection.execute(select(jobs)).one()
    assert (row.status, row.lease_token) == ("running", lease.token)
