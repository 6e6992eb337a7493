"""Overrides, owners and estimates on SQLite and PostgreSQL."""

import threading

import pytest
from sqlalchemy import select

from assay.errors import UsageError
from assay.runs.store import Store
from assay.runs.store.estimates import find_estimate, keep_estimate, read_pace
from assay.runs.store.jobs import insert_job
from assay.runs.store.models import find_model, insert_model
from assay.runs.store.overrides import (
    add_override,
    find_override,
    list_overrides,
    overrides,
    revoke_override,
)
from assay.runs.store.owners import find_users, insert_owner, list_users
from assay.runs.store.permissions import allow


@pytest.fixture()
def known(store: Store) -> Store:
    with store.write() as connection:
        for job in ("ftjob-1", "ftjob-2"):
            insert_job(
                connection,
                id=job,
                status="failed",
                model="tiny",
                base="tiny",
                training_file="file-1",
                seed=0,
                priority=0,
                num_attempts=0,
                not_before=0.0,
                created_at=0.0,
            )
        common = {"base": "tiny", "job_id": "ftjob-1", "folder": "f", "run": "r"}
        insert_model(store, connection, id="held", state="held", **common)
        for place, job in enumerate(("ftjob-1", "ftjob-2")):
            more = {"checkpoint_id": f"ftckpt_{place}", "step": 1, "state": "unreleased"}
            insert_model(store, connection, id=f"step-{place}", **{**common, **more, "job_id": job})
    return store


def test_overrides_told_at_once_are_one_and_all_are_kept(known: Store) -> None:
    begin = threading.Barrier(6)

    def override(number: int) -> None:
        begin.wait()
        add_override(known, "held", actor=f"key_{number}", reason=f"reason {number}")

    threads = [threading.Thread(target=override, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    first = find_override(known, "held")
    row = find_model(known, "held")
    assert first is not None and row is not None and row.state == "overridden"
    revoked = revoke_override(known, "held", actor="key_9", reason="no")
    assert revoked is not None and (revoked.id, revoked.revoked_by) == (first.id, "key_9")
    assert revoke_override(known, "held", actor="key_9", reason="no") is None
    again = add_override(known, "held", actor="key_9", reason="yes")
    page = list_overrides(known, after=None, limit=10)
    assert page is not None and [one.id for one in page.rows] == [again.id, first.id]
    with known.read() as connection:
        assert len(connection.execute(select(overrides)).all()) == 2
    with pytest.raises(UsageError, match="checkpoint"):
        add_override(known, "step-0", actor="key_9", reason="yes")


def test_checkpoints_are_of_their_jobs_project_and_those_let_in(known: Store) -> None:
    with known.write() as connection:
        insert_owner(connection, "ftjob-1", "proj_a")
    allow(known, "step-0", ["proj_b"])
    allow(known, "gone", ["proj_c"])
    assert find_users(known, "step-0") == {"proj_a", "proj_b"}
    assert find_users(known, "step-1") == {"proj_default"}
    assert find_users(known, "held") == frozenset()
    assert set(list_users(known)) == {"step-0", "step-1"}


def test_an_estimate_takes_the_place_of_the_one_before(known: Store) -> None:
    assert find_estimate(known, "ftjob-1") is None
    for tokens in (5, 7):
        keep_estimate(known, "ftjob-1", {"tokens": tokens})
    assert find_estimate(known, "ftjob-1") == {"tokens": 7}
    assert read_pace(known, "tiny", "supervised") is None
