"""The thread that owns the model: answers as offline, turns, limits, and rows that leave."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from assay.generate import Sampling
from assay.generate.live import Extended, LiveBatch, LiveRow
from assay.generate.local import LocalEngine
from assay.generate.rows import Ends, Row
from assay.models.base import BaseFiles, find_base, load_model
from assay.serve.inference.fair_queue import FairQueue
from assay.serve.inference.scheduler import Capacity, Overloaded, Scheduler, Ticket

WAIT_S = 60


@pytest.fixture(scope="module")
def base(small_base: Path) -> BaseFiles:
    return find_base(str(small_base))


@pytest.fixture(scope="module")
def engine(base: BaseFiles) -> LocalEngine:
    return LocalEngine(load_model(base), base.tokenizer, context_len=base.context_len)


class Asked:
    """A ticket, and what was heard of it until all its rows had ended."""

    def __init__(self, key: str, rows: Sequence[LiveRow]) -> None:
        self.heard: list[Extended] = []
        self.is_done = threading.Event()
        self.threads: set[str] = set()
        self.ticket = Ticket(key, rows, self._hear)

    def _hear(self, told: Sequence[Extended]) -> None:
        self.threads.add(threading.current_thread().name)
        self.heard += told
        if not self.ticket.num_left:
            self.is_done.set()


def make_rows(batch: LiveBatch, engine: LocalEngine, num: int) -> list[tuple[LiveRow, Sampling]]:
    rows = []
    for place in range(num):
        prompt = engine.tokenizer.encode(f"Question {place % 5}: what is {place} plus one?")
        sampling = Sampling(max_new_tokens=6 + place % 7, temperature=place % 3 / 2, seed=place)
        rows.append((batch.begin(prompt, sampling), sampling))
    return rows


def test_answers_to_requests_from_many_threads_are_those_of_the_engine_alone(
    base: BaseFiles, engine: LocalEngine
) -> None:
    batch = LiveBatch(load_model(base), base.tokenizer, context_len=base.context_len)
    scheduler = Scheduler(batch, Capacity(rows=5))
    rows = make_rows(batch, engine, 24)
    asked = [Asked(f"key{place % 3}", [row]) for place, (row, _) in enumerate(rows)]
    threads = [
        threading.Thread(target=lambda own=own: [scheduler.submit(a.ticket) for a in own])
        for own in (asked[0::2], asked[1::2])
    ]
    for thread in threads:
        thread.start()
    assert all(one.is_done.wait(WAIT_S) for one in asked)
    assert scheduler.count() == (0, 0)
    scheduler.close()
    for one, (row, sampling) in zip(asked, rows, strict=True):
        (alone,) = engine.generate([row.row.prompt], sampling)
        heard = [e.drawn.token_id for e in one.heard if e.drawn]
        if row.row.stop_token is not None:
            assert heard.pop() == row.row.stop_token.token_id
        assert heard == alone.token_ids
        assert one.threads == {"assay-inference"}


class Endless:
    """A batch without a model: a row with an owner ends with that as its error, others never do."""

    def __init__(self) -> None:
        self.rows: list[LiveRow] = []
        self.admitted: list[LiveRow] = []
        self.may_step = threading.Semaphore(0)
        self.failure: Exception | None = None

    def admit(self, rows: Sequence[LiveRow]) -> list[Extended]:
        self.rows += rows
        self.admitted += rows
        return []

    def step(self) -> list[Extended]:
        self.may_step.acquire()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        told = [Extended(row, None, error=row.owner) for row in self.rows if row.owner]
        self.remove([one.live for one in told])
        return told

    def remove(self, rows: Sequence[LiveRow]) -> None:
        self.rows = [row for row in self.rows if row not in rows]

    def clear(self) -> None:
        self.rows = []


def make_row(name: str, *, ends: bool) -> LiveRow:
    row = Row(0, [1, 2], torch.Generator(), 100)
    live = LiveRow(row, Sampling(), Ends(frozenset(), (), lambda ids: ""))
    live.owner = name if ends else ""
    return live


def wait_until(scheduler: Scheduler, counts: tuple[int, int]) -> None:
    for _ in range(int(WAIT_S / 0.01)):
        if scheduler.count() == counts:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{scheduler.count()} in place of {counts}")


def test_keys_take_turns_however_much_one_of_them_asks() -> None:
    batch = Endless()
    scheduler = Scheduler(batch, Capacity(rows=1, waiting=50))
    first = Asked("greedy", [make_row("first", ends=True)])
    scheduler.submit(first.ticket)
    wait_until(scheduler, (1, 0))
    many = Asked("greedy", [make_row(f"greedy{i}", ends=True) for i in range(6)])
    one = Asked("modest", [make_row("modest", ends=True)])
    scheduler.submit(many.ticket)
    scheduler.submit(one.ticket)
    batch.may_step.release(20)
    assert many.is_done.wait(WAIT_S) and one.is_done.wait(WAIT_S)
    scheduler.close()
    order = [row.owner for row in batch.admitted]
    assert order.index("modest") == 2
    assert order[3:] == [f"greedy{i}" for i in range(1, 6)]


def test_a_cancelled_request_frees_its_slots_for_whoever_waits() -> None:
    batch = Endless()
    scheduler = Scheduler(batch, Capacity(rows=2))
    gone = Asked("a", [make_row("", ends=False), make_row("", ends=False)])
    scheduler.submit(gone.ticket)
    wait_until(scheduler, (2, 0))
    late = Asked("a", [make_row("late", ends=True)])
    never = Asked("a", [make_row("", ends=False)])
    scheduler.submit(late.ticket)
    scheduler.submit(never.ticket)
    scheduler.cancel(never.ticket)
    scheduler.cancel(gone.ticket)
    batch.may_step.release(3)
    assert late.is_done.wait(WAIT_S)
    wait_until(scheduler, (0, 0))
    assert gone.heard == never.heard == []
    assert len(batch.admitted) == 3
    scheduler.close()


def test_too_much_at_once_is_refused_with_a_time_and_counted_down_again() -> None:
    batch = Endless()
    scheduler = Scheduler(batch, Capacity(rows=1, waiting=2, rows_per_key=3))
    running = Asked("a", [make_row("x", ends=True)])
    scheduler.submit(running.ticket)
    wait_until(scheduler, (1, 0))
    two = Asked("a", [make_row("y", ends=True), make_row("z", ends=True)])
    scheduler.submit(two.ticket)
    with pytest.raises(Overloaded, match="of this key") as of_key:
        scheduler.submit(Asked("a", [make_row("", ends=True)]).ticket)
    with pytest.raises(Overloaded, match="wait already") as of_all:
        scheduler.submit(Asked("b", [make_row("", ends=True)]).ticket)
    assert 1 <= of_key.value.retry_after_s <= 60 and 1 <= of_all.value.retry_after_s <= 60
    batch.may_step.release(10)
    assert two.is_done.wait(WAIT_S)
    again = Asked("a", [make_row("w", ends=True)])
    scheduler.submit(again.ticket)
    assert again.is_done.wait(WAIT_S)
    scheduler.close()


def test_a_step_that_fails_is_told_to_its_rows_and_ends_nothing_else() -> None:
    batch = Endless()
    scheduler = Scheduler(batch, Capacity(rows=2))
    batch.failure = RuntimeError("out of memory")
    lost = Asked("a", [make_row("x", ends=True)])
    scheduler.submit(lost.ticket)
    batch.may_step.release()
    assert lost.is_done.wait(WAIT_S)
    assert [one.error for one in lost.heard] == ["decoding failed: RuntimeError"]
    later = Asked("a", [make_row("fine", ends=True)])
    scheduler.submit(later.ticket)
    batch.may_step.release(2)
    assert later.is_done.wait(WAIT_S)
    assert [one.error for one in later.heard] == ["fine"]
    scheduler.close()


def test_closing_tells_those_who_wait_and_refuses_those_who_come() -> None:
    batch = Endless()
    scheduler = Scheduler(batch, Capacity(rows=1))
    running, waiting = (Asked("a", [make_row("", ends=False)]) for _ in range(2))
    scheduler.submit(running.ticket)
    wait_until(scheduler, (1, 0))
    scheduler.submit(waiting.ticket)
    batch.may_step.release(1)
    batch.may_step.release(1)
    closer = threading.Thread(target=scheduler.close)
    closer.start()
    while closer.is_alive():
        batch.may_step.release()
        closer.join(0.01)
    for one in (running, waiting):
        assert [e.error for e in one.heard] == ["the server is shutting down"]
    with pytest.raises(Overloaded, match="shutting down"):
        scheduler.submit(Asked("a", [make_row("", ends=False)]).ticket)


def test_the_fair_queue_gives_each_key_its_turn_and_keeps_the_order_within() -> None:
    waiting: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "b1", "a3", "c1", "b2"):
        waiting.put(item[0], item)
    assert waiting.count("a") == 3 and len(waiting) == 6
    assert waiting.drop(lambda item: item == "a2") == ["a2"]
    taken = [waiting.take() for _ in range(6)]
    assert taken == ["a1", "b1", "c1", "a3", "b2", None]
