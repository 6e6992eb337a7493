"""The one thread that owns the model: rows of all requests decode in it together.

Requests come from any thread at any time, and hear of each token by a call. A row whose request is
gone leaves before the next step, and whoever waits takes its place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from assay.errors import AssayError
from assay.serve.inference.fair_queue import FairQueue

if TYPE_CHECKING:
    from assay.generate.live import Extended, LiveRow

T = TypeVar("T")
log = logging.getLogger("assay.serve")
_IDLE_S = 1.0
_PAUSE_S = 1.0
"""What a client is told to wait where nothing is known of how fast rows end."""


class Batch(Protocol):
    """What decodes: `assay.generate.live.LiveBatch`."""

    @property
    def rows(self) -> list[LiveRow]: ...
    def admit(self, rows: Sequence[LiveRow]) -> list[Extended]: ...
    def step(self) -> list[Extended]: ...
    def remove(self, rows: Sequence[LiveRow]) -> None: ...
    def clear(self) -> None: ...


@dataclass(frozen=True)
class Capacity:
    """Rows that decode together, rows that may wait, and rows of one key in either state.

    `prompt_tokens` bounds the prompts that come between two steps, if there is more than one: all
    other rows wait for them.
    """

    rows: int = 64
    waiting: int = 512
    rows_per_key: int = 256
    prompt_tokens: int = 1024


class Overloaded(AssayError, RuntimeError):
    """There is no room; `retry_after_s` says when there may be."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(eq=False)
class Ticket:
    """A request's rows, and who hears of their tokens.

    `hear` is called in the scheduler's thread with what a step made of these rows; it must not
    block. After `cancel` it is not called any more.
    """

    key: str
    rows: Sequence[LiveRow]
    hear: Callable[[Sequence[Extended]], None]
    is_cancelled: bool = False
    num_left: int = field(init=False)

    def __post_init__(self) -> None:
        self.num_left = len(self.rows)


class Scheduler:
    """Starts its thread at once; `close` ends it, and tells whoever is left that it was."""

    def __init__(self, batch: Batch, capacity: Capacity | None = None) -> None:
        self._batch, self.capacity = batch, capacity or Capacity()
        self._queue: FairQueue[tuple[Ticket, LiveRow]] = FairQueue()
        self._owners: dict[LiveRow, Ticket] = {}
        self._per_key: dict[str, int] = {}
        self._changed = threading.Condition()
        self._gone: list[Ticket] = []
        self._calls: list[tuple[Callable[[], None], Future[Any]]] = []
        self._is_closed = False
        self._ended = _Pace()
        self._thread = threading.Thread(target=self._run, name="assay-inference", daemon=True)
        self._thread.start()

    def submit(self, ticket: Ticket) -> None:
        """Let a request's rows wait for their turn.

        Raises:
            Overloaded: too many wait already, or too many of this key are under way.
        """
        limit, num = self.capacity, len(ticket.rows)
        with self._changed:
            if self._is_closed:
                raise Overloaded("the server is shutting down", _PAUSE_S)
            own = self._per_key.get(ticket.key, 0)
            if own + num > limit.rows_per_key:
                told = f"{own} answers of this key are under way, of {limit.rows_per_key}"
                raise Overloaded(told, self._ended.estimate_s(own + num - limit.rows_per_key))
            free = limit.rows - len(self._owners)
            if num > limit.waiting + free - len(self._queue):
                told = f"{len(self._queue)} answers wait already"
                raise Overloaded(told, self._ended.estimate_s(num))
            self._per_key[ticket.key] = own + num
            for row in ticket.rows:
                self._queue.put(ticket.key, (ticket, row))
            self._changed.notify()

    def call(self, work: Callable[[], T]) -> Future[T]:
        """Have `work` done between two steps, in the thread that owns the model.

        All rows that decode wait for it. What it raises is raised by the future's result.

        Raises:
            Overloaded: the server is shutting down.
        """
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except (AssayError, ValueError, RuntimeError, MemoryError) as error:
                future.set_exception(error)

        with self._changed:
            if self._is_closed:
                raise Overloaded("the server is shutting down", _PAUSE_S)
            self._calls.append((run, future))
            self._changed.notify()
        return future

    def cancel(self, ticket: Ticket) -> None:
        """Let go of what is left of a request; of one that has ended nothing is."""
        with self._changed:
            if ticket.num_left and not ticket.is_cancelled:
                ticket.is_cancelled = True
                self._gone.append(ticket)
                self._changed.notify()

    def count(self) -> tuple[int, int]:
        """Rows that decode, and rows that wait."""
        with self._changed:
            return len(self._owners), len(self._queue)

    def close(self) -> None:
        """End the thread after the step that it is in."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (fresh := self._next()) is not None:
            self._do_calls()
            try:
                self._tell(self._batch.admit(fresh) if fresh else [])
                self._tell(self._batch.step())
            except (RuntimeError, MemoryError) as error:
                # Such as memory that ran out: all rows of this step are lost, later ones are not.
                log.exception("a decoding step failed")
                self._batch.clear()
                self._fail(f"decoding failed: {type(error).__name__}")
        self._fail("the server is shutting down")
        for _, future in self._calls:
            future.cancel()

    def _do_calls(self) -> None:
        with self._changed:
            calls, self._calls = self._calls, []
        for run, _ in calls:
            run()

    def _next(self) -> list[LiveRow] | None:
        """The rows to be admitted, once there is anything to do; None to end."""
        with self._changed:
            while True:
                self._let_go()
                if self._is_closed:
                    return None
                fresh = self._take()
                if fresh or self._owners or self._calls:
                    return fresh
                self._changed.wait(_IDLE_S)

    def _let_go(self) -> None:
        if not self._gone:
            return
        self._gone = []
        for ticket, _ in self._queue.drop(lambda item: item[0].is_cancelled):
            self._count_down(ticket)
        lost = [row for row in self._batch.rows if self._owners[row].is_cancelled]
        self._batch.remove(lost)
        for row in lost:
            self._end(row)

    def _take(self) -> list[LiveRow]:
        fresh: list[LiveRow] = []
        num_tokens = 0
        while len(self._owners) < self.capacity.rows and num_tokens < self.capacity.prompt_tokens:
            item = self._queue.take()
            if item is None:
                break
            ticket, row = item
            self._owners[row] = ticket
            fresh.append(row)
            num_tokens += len(row.row.prompt)
        return fresh

    def _tell(self, told: Sequence[Extended]) -> None:
        by_ticket: dict[Ticket, list[Extended]] = {}
        with self._changed:
            for one in told:
                by_ticket.setdefault(self._owners[one.live], []).append(one)
                if one.is_last:
                    self._end(one.live)
                    self._ended.count()
        for ticket, own in by_ticket.items():
            if not ticket.is_cancelled:
                ticket.hear(own)

    def _end(self, row: LiveRow) -> None:
        self._count_down(self._owners.pop(row))

    def _count_down(self, ticket: Ticket) -> None:
        ticket.num_left -= 1
        left = self._per_key[ticket.key] - 1
        if left:
            self._per_key[ticket.key] = left
        else:
            del self._per_key[ticket.key]

    def _fail(self, reason: str) -> None:
        """Tell every row that decodes, and once closed every one that waits, that it failed."""
        from assay.generate.live import Extended

        with self._changed:
            waiting = self._queue.drop(lambda item: self._is_closed)
            lost = [(ticket, row) for row, ticket in self._owners.items()] + waiting
            self._owners.clear()
            for ticket, _ in lost:
                self._count_down(ticket)
        for ticket, row in lost:
            if not ticket.is_cancelled:
                ticket.hear([Extended(row, None, error=reason)])


class _Pace:
    """How fast rows have ended lately."""

    def __init__(self) -> None:
        self._since, self._num = time.monotonic(), 0

    def count(self) -> None:
        now = time.monotonic()
        if now - self._since > 60:
            self._since, self._num = now, 0
        self._num += 1

    def estimate_s(self, num: int) -> float:
        """Seconds until `num` more will have ended, from 1 to 60."""
        if not self._num:
            return _PAUSE_S
        spent_s = max(time.monotonic() - self._since, 0.05)
        return min(60.0, max(1.0, num * spent_s / self._num))
