"""Runs batches beside the server's other requests: some of each one's lines at a time.

What a line's answer is becomes a row as soon as it is there, so that a server that is killed goes
on with the lines that have none. Lines that a crash cut off are asked again; none is told twice.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from assay.errors import AssayError
from assay.runs.store import Store
from assay.runs.store.batches import (
    LEASE_S,
    BatchRow,
    add_result,
    begin_batch,
    begin_finalizing,
    claim_batch,
    fail_batch,
    list_done,
    release_batch,
    renew_batch,
)
from assay.runs.store.files import locate_file
from assay.runs.store.queue import Lease
from assay.serve.batches.ask import ask_patiently
from assay.serve.batches.lines import CheckedFile, Line, check_file, iterate_requests
from assay.serve.batches.results import finish_batch, render_answer

log = logging.getLogger("assay.serve")


@dataclass(frozen=True)
class Pace:
    """Batches at a time, lines of each, and seconds between two looks for new ones."""

    batches: int = 4
    lines: int = 8
    poll_s: float = 0.5
    lease_s: float = LEASE_S


class _Lost(Exception):
    """Somebody else holds the batch."""


def build_service(pace: Pace | None = None) -> Any:
    """What runs batches while the application is served."""
    return partial(running, pace=pace or Pace())


@asynccontextmanager
async def running(app: FastAPI, *, pace: Pace) -> AsyncIterator[None]:
    """Run the batches of the application's store, while the block lasts."""
    task = asyncio.create_task(_look(app, pace))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _look(app: FastAPI, pace: Pace) -> None:
    owner = f"{socket.gethostname()}:{os.getpid()}"
    store, own = app.state.store, set[asyncio.Task[None]]()
    try:
        while True:
            lease = None
            if len(own) < pace.batches:
                lease = await _try(partial(claim_batch, store, owner, lease_s=pace.lease_s))
            if lease is None:
                await asyncio.sleep(pace.poll_s)
                continue
            task = asyncio.create_task(_hold(app, lease, pace))
            own.add(task)
            task.add_done_callback(own.discard)
            task.add_done_callback(_tell_bug)
    finally:
        left = list(own)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _tell_bug(task: asyncio.Task[None]) -> None:
    """Log what nobody foresaw; the batch is taken again when its lease is over."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a batch failed", exc_info=error)


async def _try(call: Any) -> Any:
    """The result of a question to the database; None where it does not answer."""
    try:
        return await run_in_threadpool(call)
    except SQLAlchemyError:
        log.exception("batches cannot be looked for")
        return None


async def _hold(app: FastAPI, lease: Lease, pace: Pace) -> None:
    """Run a batch until it ends, is somebody else's, or the server ends."""
    store: Store = app.state.store
    try:
        await _Running(app, store, lease, pace).run()
    except _Lost:
        log.warning("a batch was lost to another server")
    except (AssayError, OSError, SQLAlchemyError):
        # A full disk, say. It is taken again when the lease is over.
        log.exception("a batch stopped")
    except asyncio.CancelledError:
        with suppress(SQLAlchemyError):
            await asyncio.shield(run_in_threadpool(release_batch, store, lease))
        raise


class _Running:
    """One batch that is held."""

    def __init__(self, app: FastAPI, store: Store, lease: Lease, pace: Pace) -> None:
        self._app, self._store, self._lease, self._pace = app, store, lease, pace
        self._batch: BatchRow | None = None

    async def run(self) -> None:
        """From whatever state it is in to its end."""
        batch = await self._renew()
        path = locate_file(self._store, batch.input_file_id)
        if batch.status == "validating":
            checked = await self._keep_held(run_in_threadpool(check_file, path, batch.endpoint))
            if await self._is_refused(checked):
                return
            batch = await self._renew()
        status = "cancelled"
        if batch.status != "cancelling":
            done = await run_in_threadpool(list_done, self._store, batch.id)
            status = await self._ask_all(_iterate_left(self._store, batch, done))
        await self._finish(status)

    async def _is_refused(self, checked: CheckedFile) -> bool:
        """End the batch where its file is not in order; else its lines may be asked."""
        if checked.num_errors:
            errors = _describe_errors(checked)
            return bool(await run_in_threadpool(fail_batch, self._store, self._lease, errors))
        begin = partial(begin_batch, num_total=checked.num_lines, model=checked.model)
        await run_in_threadpool(begin, self._store, self._lease)
        return False

    async def _ask_all(self, lines: Iterable[Line]) -> str:
        """Ask every line that is left; how the batch ends."""
        waiting, under_way = iter(lines), set[asyncio.Task[None]]()
        watch = asyncio.create_task(self._watch())
        try:
            while not watch.done():
                while len(under_way) < self._pace.lines:
                    line = next(waiting, None)
                    if line is None:
                        break
                    under_way.add(asyncio.create_task(self._ask(line)))
                if not under_way:
                    return "completed"
                done, _ = await asyncio.wait(
                    [*under_way, watch], return_when=asyncio.FIRST_COMPLETED
                )
                for task in done & under_way:
                    task.result()
                under_way -= done
            return watch.result()
        finally:
            for task in (*under_way, watch):
                task.cancel()
            await asyncio.gather(*under_way, watch, return_exceptions=True)

    async def _watch(self) -> str:
        """Hold on to the batch; returns how it ends where it is to end early."""
        while True:
            batch = await self._renew()
            if batch.status == "cancelling":
                return "cancelled"
            now_s = await run_in_threadpool(_read_clock, self._store)
            if now_s >= batch.expires_at:
                return "expired"
            await asyncio.sleep(min(1.0, self._pace.lease_s / 3, batch.expires_at - now_s))

    async def _ask(self, line: Line) -> None:
        batch = self._batch
        assert batch is not None
        answer = await ask_patiently(self._app, batch.endpoint, line.body, batch.key_id)
        is_kept = await run_in_threadpool(
            partial(
                add_result,
                self._store,
                self._lease,
                line.number,
                is_error=answer.status != 200,
                content=render_answer(line, answer),
            )
        )
        if not is_kept:
            raise _Lost

    async def _finish(self, status: str) -> None:
        if status == "completed":
            await run_in_threadpool(begin_finalizing, self._store, self._lease)
        batch = await self._renew()
        if batch.status == "cancelling":
            status = "cancelled"
        done = await run_in_threadpool(list_done, self._store, batch.id)
        missing = () if status == "completed" else _iterate_left(self._store, batch, done)
        finish = partial(finish_batch, self._store, self._lease, batch, status, missing)
        if not await self._keep_held(run_in_threadpool(finish)):
            raise _Lost

    async def _keep_held(self, work: Any) -> Any:
        """The result of some long work, while the batch is held."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.wait([task], timeout=self._pace.lease_s / 3)
            if not task.done():
                await self._renew()
        return task.result()

    async def _renew(self) -> BatchRow:
        renew = partial(renew_batch, self._store, self._lease, lease_s=self._pace.lease_s)
        batch = await run_in_threadpool(renew)
        if batch is None:
            raise _Lost
        self._batch = batch
        return batch


def _iterate_left(store: Store, batch: BatchRow, done: set[int]) -> Iterable[Line]:
    """Lines without a result, in order; of a file that was not checked none."""
    if not batch.num_total:
        return
    for line in iterate_requests(locate_file(store, batch.input_file_id)):
        if line.number not in done:
            yield line


def _read_clock(store: Store) -> float:
    with store.read() as connection:
        return store.now(connection)


def _describe_errors(checked: CheckedFile) -> list[dict[str, Any]]:
    left = checked.num_errors - len(checked.errors)
    if not left:
        return checked.errors
    told = f"{left:,} more errors are not listed."
    return [
        *checked.errors,
        {"line": None, "code": "too_many_errors", "message": told, "param": None},
    ]
