"""What has expired, and what a crash left, removed at the start and every minute after."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from assay.runs.store import Store
from assay.runs.store.completions import KEPT
from assay.runs.store.files import sweep_files
from assay.runs.store.kept import sweep_kept
from assay.runs.store.responses import KEPT as KEPT_RESPONSES
from assay.runs.store.tallies import fold_tallies
from assay.runs.store.uploads import sweep_uploads
from assay.serve.jobs.places import sweep_jobs

log = logging.getLogger("assay.serve")
EVERY_S = 60.0


def sweep_store(store: Store) -> None:
    """Remove what is kept beyond its time, and bytes that are of nothing; add old counts up."""
    sweep_files(store)
    sweep_uploads(store)
    sweep_kept(store, KEPT)
    sweep_kept(store, KEPT_RESPONSES)
    sweep_jobs(store)
    fold_tallies(store)


@asynccontextmanager
async def sweeping(app: FastAPI, *, every_s: float = EVERY_S) -> AsyncIterator[None]:
    """Sweep the application's store from time to time, while the block lasts."""
    task = asyncio.create_task(_sweep_on(app.state.store, every_s))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sweep_on(store: Store, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await run_in_threadpool(sweep_store, store)
        except (OSError, SQLAlchemyError):
            # A full disk or a database that is away: the next minute may be better.
            log.exception("sweeping failed")
