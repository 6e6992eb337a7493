"""Works on the runs of evals, beside the answers of a server: takes them, row by row, to the end.

What was written stays: a run whose server was killed is gone on with by the next, from its first
row without a result; one that cannot go on fails with the reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from assay.runs.store import Store
from assay.runs.store.evals import (
    LEASE_S,
    RunLease,
    RunRow,
    add_items,
    claim_run,
    find_eval,
    finish_run,
    let_go,
    list_done,
    renew,
)
from assay.serve.app import Service
from assay.serve.errors import ApiError
from assay.serve.evals.ask import Answer, Asking, KeyRefused, ask, build_asking, read_given
from assay.serve.evals.criteria import Criterion, build_criteria, judge
from assay.serve.evals.rows import EvalRow, RowsProblem, check_rows, iterate_rows
from assay.serve.evals.totals import add_up

log = logging.getLogger("assay.serve")
ROWS_AT_ONCE = 16
"""Rows that are asked, judged and written together."""


@dataclass(frozen=True)
class Pace:
    """Seconds: of a lease, between looks at a run, between looks for another; and runs at once."""

    lease_s: float = LEASE_S
    look_s: float = 2.0
    idle_s: float = 1.0
    num_runs: int = 4


@dataclass(frozen=True)
class Runner:
    """Works on runs of the application's store; `asks_models`: on those that ask a model, too."""

    app: FastAPI
    asks_models: bool
    pace: Pace

    @property
    def store(self) -> Store:
        store: Store = self.app.state.store
        return store

    async def work(self) -> None:
        """Take runs until cancelled; what is worked on then is given back."""
        working: set[asyncio.Task[None]] = set()
        try:
            while True:
                taken = await self._claim() if len(working) < self.pace.num_runs else None
                if taken is not None:
                    working.add(asyncio.create_task(self._hold(*taken)))
                    continue
                await asyncio.sleep(self.pace.idle_s)
                for task in [one for one in working if one.done()]:
                    working.remove(task)
                    _tell_failure(task)
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _claim(self) -> tuple[RunLease, RunRow] | None:
        asks, lease_s = self.asks_models, self.pace.lease_s
        try:
            return await run_in_threadpool(claim_run, self.store, asks_models=asks, lease_s=lease_s)
        except SQLAlchemyError:
            log.exception("evals: the database does not answer")
            return None

    async def _hold(self, lease: RunLease, run: RunRow) -> None:
        """Work on a run while it is held."""
        working = asyncio.create_task(self._run(lease, run))
        try:
            while not working.done():
                await asyncio.wait({working}, timeout=self.pace.look_s)
                held = await run_in_threadpool(renew, self.store, lease, lease_s=self.pace.lease_s)
                if not held and not working.done():
                    working.cancel()
            with suppress(asyncio.CancelledError):
                await working
        except asyncio.CancelledError:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            let_go(self.store, lease)
            raise

    async def _run(self, lease: RunLease, run: RunRow) -> None:
        try:
            await self._go_through(lease, run)
        except (RowsProblem, KeyRefused, ApiError) as problem:
            error = {"code": problem.code, "message": problem.message}
        else:
            return
        await run_in_threadpool(finish_run, self.store, lease, "failed", error=error)

    async def _go_through(self, lease: RunLease, run: RunRow) -> None:
        owner = await run_in_threadpool(find_eval, self.store, run.eval_id, run.project)
        if owner is None:
            return
        bases, source = self.app.state.bases, run.data_source
        criteria = await run_in_threadpool(build_criteria, owner.testing_criteria, bases)
        schema = owner.data_source_config["item_schema"]
        await run_in_threadpool(check_rows, self.store, source["source"], schema)
        done = await run_in_threadpool(list_done, self.store, run.id)
        make = None if run.model is None else build_asking(source["input_messages"])
        totals = dict(run.totals)
        rows = (row for row in iterate_rows(self.store, source["source"]) if row.number not in done)
        while some := await run_in_threadpool(lambda: list(islice(rows, ROWS_AT_ONCE))):
            answers = await self._answer(run, some, make)
            written, totals = await run_in_threadpool(_judge, criteria, some, answers, totals)
            if not await run_in_threadpool(add_items, self.store, lease, written, totals):
                return
        await run_in_threadpool(finish_run, self.store, lease, "completed")

    async def _answer(self, run: RunRow, rows: list[EvalRow], make: Asking | None) -> list[Answer]:
        if make is None:
            return [read_given(row) for row in rows]
        source = run.data_source
        asked = (ask(self.app, run.key_id, source, row, make) for row in rows)
        return await asyncio.gather(*asked)


def build_service(*, asks_models: bool, pace: Pace | None = None) -> Service:
    """What works on runs while the application is served, which has models to ask or has none."""

    @asynccontextmanager
    async def evaluating(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(Runner(app, asks_models, pace or Pace()).work())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return evaluating


def _judge(
    criteria: list[Criterion],
    rows: list[EvalRow],
    answers: list[Answer],
    totals: dict[str, Any],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Results as they are written, and the totals with them; what has no answer is not judged."""
    pairs = [pair for pair in zip(rows, answers, strict=True) if not pair[1].is_error]
    judged = judge(criteria, [row for row, _ in pairs], [answer.sample for _, answer in pairs])
    found = {row.number: one for (row, _), one in zip(pairs, judged, strict=True)}
    nothing: tuple[str, list[dict[str, Any]]] = ("error", [])
    ends = [found.get(row.number, nothing) for row in rows]
    written = [
        {
            "number": row.number,
            "status": status,
            "item": row.item,
            "sample": answer.shown,
            "results": results,
        }
        for row, answer, (status, results) in zip(rows, answers, ends, strict=True)
    ]
    shown = [answer.shown for answer in answers]
    return written, add_up(totals, [end[0] for end in ends], [end[1] for end in ends], shown)


def _tell_failure(task: asyncio.Task[None]) -> None:
    """A bug, or a database that is away: the run is taken again when its lease is over."""
    failure = None if task.cancelled() else task.exception()
    if failure is not None:
        log.error("evals: work on a run failed", exc_info=failure)
