"""From the scheduler's thread to a request's own task, and back: who goes away lets go of rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request

from assay.runs.store import spend_tokens
from assay.serve.auth import Principal, limit_reached
from assay.serve.errors import ApiError
from assay.serve.inference.scheduler import Overloaded, Scheduler, Ticket
from assay.serve.own import choose_lane

if TYPE_CHECKING:
    from assay.generate.live import Extended, LiveRow


class Heard:
    """What is heard of one request's rows; build it by `submit`."""

    def __init__(self, scheduler: Scheduler, key: str, rows: Sequence[LiveRow]) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Sequence[Extended] | None] = asyncio.Queue()
        self._scheduler = scheduler
        self._left = len(rows)
        self._watcher: asyncio.Task[None] | None = None
        self.is_gone = False
        self.ticket = Ticket(key, rows, self._hear)

    def _hear(self, told: Sequence[Extended]) -> None:
        # The loop may be closed by now: the server is shutting down, and nobody listens.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._queue.put_nowait, told)

    def watch(self, request: Request) -> None:
        """Let go of all rows once the client has gone."""
        self._watcher = asyncio.create_task(self._wait_until_gone(request))

    async def _wait_until_gone(self, request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True
        self._scheduler.cancel(self.ticket)
        self._queue.put_nowait(None)

    async def iterate(self, *, idle_s: float | None = None) -> AsyncIterator[list[Extended]]:
        """What came, all that is there at a time; nothing after `idle_s` without any."""
        try:
            while self._left:
                told = await self._next(idle_s)
                if told is None:
                    return
                self._left -= sum(one.is_last for one in told)
                yield told
        finally:
            self.close()

    async def _next(self, idle_s: float | None) -> list[Extended] | None:
        try:
            parts = [await asyncio.wait_for(self._queue.get(), idle_s)]
        except TimeoutError:
            return []
        while not self._queue.empty():
            parts.append(self._queue.get_nowait())
        if None in parts:
            return None
        return [one for part in parts if part is not None for one in part]

    def close(self) -> None:
        """Let go of what is left."""
        self._scheduler.cancel(self.ticket)
        if self._watcher is not None:
            self._watcher.cancel()


@dataclass(frozen=True)
class Spending:
    """Counts the tokens of a request for its key, without anybody waiting for it."""

    request: Request
    principal: Principal

    def count(self, usage: Mapping[str, Any]) -> None:
        """Tokens that were read and written, whether or not the client stayed to the end."""
        store, total = self.request.app.state.store, int(usage["total_tokens"])
        asyncio.get_running_loop().run_in_executor(
            None, spend_tokens, store, self.principal.id, total
        )


def submit(scheduler: Scheduler, request: Request, *, key: str, rows: Sequence[LiveRow]) -> Heard:
    """Let rows wait for their turn.

    Raises:
        ApiError: 429 with the time to wait, where there is no room.
    """
    heard = Heard(scheduler, choose_lane(request, key), rows)
    try:
        scheduler.submit(heard.ticket)
    except Overloaded as error:
        raise limit_reached(f"answers at once ({error})", error.retry_after_s) from error
    heard.watch(request)
    return heard


def gone() -> ApiError:
    """What is answered to a client that is not there any more; nobody reads it."""
    return ApiError(499, "The client went away.", code="client_gone")
