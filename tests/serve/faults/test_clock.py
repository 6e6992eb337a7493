"""Clocks that jump: no job is lost to them, and none has two ends. The clock is a fake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.serve.faults.conftest import add_job

from assay.runs.store import Store, open_store
from assay.runs.store.jobs import find_job
from assay.runs.store.queue import (
    LEASE_S,
    MAX_ATTEMPTS,
    Lease,
    Wanted,
    claim_check,
    claim_run,
    finish,
    let_go,
    renew,
)

DAY_S = 86_400.0


@dataclass(frozen=True)
class Jumping(Store):
    """A store by a clock that is set by hand."""

    clock: list[float] = field(default_factory=lambda: [1_000_000.0])

    def now(self, connection: Connection) -> float:
        return self.clock[0]

    def jump(self, seconds: float) -> None:
        self.clock[0] += seconds


@pytest.fixture()
def jumping(tmp_path: Path) -> Iterator[Jumping]:
    opened = open_store(tmp_path / "store")
    yield Jumping(opened.engine, opened.folder)
    opened.close()


@pytest.mark.parametrize("seconds", [-DAY_S, DAY_S, -3600, 3600, LEASE_S + 1])
def test_a_job_of_a_dead_worker_is_taken_wherever_the_clock_jumps(
    jumping: Jumping, seconds: float
) -> None:
    add_job(jumping, "a")
    dead = claim_run(jumping, "dead")
    assert dead is not None and claim_run(jumping, "next") is None
    jumping.jump(seconds)
    taken = claim_run(jumping, "next")
    assert taken is not None and taken.job_id == "a"
    assert renew(jumping, dead) is Wanted.LOST and not finish(jumping, dead, "succeeded")
    assert finish(jumping, taken, "succeeded")


@pytest.mark.parametrize("seconds", [-DAY_S, -3600, -5, 5, 3600, DAY_S])
def test_one_worker_keeps_its_job_whatever_the_clock_says(jumping: Jumping, seconds: float) -> None:
    add_job(jumping, "a")
    lease = claim_run(jumping, "w")
    assert lease is not None
    jumping.jump(seconds)
    assert renew(jumping, lease) is Wanted.GO_ON
    assert claim_run(jumping, "other") is None, "the lease counts from the clock as it is"
    assert finish(jumping, lease, "succeeded")


def test_a_job_that_was_put_off_does_not_wait_for_an_old_clock(jumping: Jumping) -> None:
    add_job(jumping, "a")
    lease = claim_run(jumping, "w")
    assert lease is not None and let_go(jumping, lease, "queued", delay_s=LEASE_S)
    assert claim_run(jumping, "w") is None
    jumping.jump(-DAY_S)
    assert claim_run(jumping, "w") is not None


def test_a_check_that_a_dead_worker_began_is_begun_again(jumping: Jumping) -> None:
    add_job(jumping, "a", status="validating_files")
    assert claim_check(jumping, "dead") is not None
    assert claim_check(jumping, "next") is None
    jumping.jump(-DAY_S)
    assert claim_check(jumping, "next") is not None


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.integers(0, 2)),
        st.tuples(st.sampled_from(("renew", "finish", "crash", "return")), st.integers(0, 2)),
        st.tuples(
            st.just("jump"), st.sampled_from((-DAY_S, -700.0, -31.0, -1.0, 1.0, 31.0, 700.0, DAY_S))
        ),
    ),
    max_size=25,
)


@settings(max_examples=15)
@given(ACTIONS)
def test_whatever_workers_do_while_the_clock_jumps_one_ends_the_job(
    actions: list[tuple[str, float]],
) -> None:
    """Three workers; one at most may write at any time, and once the job has ended nobody."""
    with TemporaryDirectory() as folder:
        opened = open_store(Path(folder) / "store")
        store = Jumping(opened.engine, opened.folder)
        add_job(store, "a")
        leases: dict[float, Lease] = {}
        num_ends = 0
        for action, value in actions:
            if action == "jump":
                store.jump(value)
            elif action == "claim":
                lease = claim_run(store, f"w{value}")
                if lease is not None:
                    leases[value] = lease
            elif value in leases:
                lease = leases[value]
                if action == "renew":
                    renew(store, lease)
                elif action == "finish":
                    num_ends += finish(store, lease, "succeeded")
                else:
                    let_go(store, lease, "queued", crashed=action == "crash")
            writers = {one.token for one in leases.values() if renew_is_possible(store, one)}
            assert len(writers) <= 1
        for _ in range(MAX_ATTEMPTS + 1):
            store.jump(2 * LEASE_S)
            lease = claim_run(store, "last")
            if lease is not None:
                num_ends += finish(store, lease, "succeeded")
        row = find_job(store, "a")
        assert row is not None
        assert (row.status, num_ends) in (("succeeded", 1), ("failed", 0)), row
        opened.close()


def renew_is_possible(store: Store, lease: Lease) -> bool:
    row = find_job(store, lease.job_id)
    return row is not None and row.lease_token == lease.token
