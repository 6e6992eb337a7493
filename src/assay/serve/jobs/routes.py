"""The routes of fine-tuning jobs; what is done lies in `create` and in the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from assay.runs.store import Store
from assay.runs.store.events import insert_event, list_events
from assay.runs.store.jobs import (
    NO_METADATA,
    JobRow,
    StateConflict,
    cancel_job,
    find_job,
    list_jobs,
    pause_job,
    resume_job,
)
from assay.runs.store.models import list_checkpoints
from assay.serve.auth import Principal, require
from assay.serve.errors import not_found, refuse
from assay.serve.jobs.create import Sender, create_job
from assay.serve.jobs.fields import CreateJob
from assay.serve.jobs.render import render_checkpoint, render_event, render_job
from assay.serve.lists import render_list
from assay.serve.retries import is_retry

User = Annotated[Principal, Depends(require("train"))]
PageLimit = Annotated[int, Query(ge=1, le=1000)]
_PREFIX, _END = "metadata[", "]"


def build_router() -> APIRouter:
    """Create, list, retrieve, cancel, pause, resume; events and checkpoints."""
    router = APIRouter(prefix="/fine_tuning/jobs")
    router.post("")(create)
    router.get("")(list_all)
    router.get("/{job_id}")(retrieve)
    router.post("/{job_id}/cancel")(cancel)
    router.post("/{job_id}/pause")(pause)
    router.post("/{job_id}/resume")(resume)
    router.get("/{job_id}/events")(read_events)
    router.get("/{job_id}/checkpoints")(read_checkpoints)
    return router


def create(request: Request, user: User, asked: CreateJob) -> dict[str, Any]:
    """Make a job; its files are checked after the answer."""
    state = request.app.state
    sender = Sender(
        user.id, is_retry(request), time.time(), user.project, is_admin=user.allows("admin")
    )
    return render_job(state.store, create_job(state.store, state.bases, asked, sender))


def list_all(
    request: Request, user: User, after: str | None = None, limit: PageLimit = 20
) -> dict[str, Any]:
    """A page of jobs, the newest first."""
    store: Store = request.app.state.store
    metadata = _read_metadata(request.query_params)
    page = list_jobs(store, user.project, after=after, limit=limit, metadata=metadata)
    return render_list(page, lambda row: render_job(store, row), after=after)


def retrieve(request: Request, user: User, job_id: str) -> dict[str, Any]:
    """One job."""
    store: Store = request.app.state.store
    return render_job(store, get_job(store, job_id, user.project))


def cancel(request: Request, user: User, job_id: str) -> dict[str, Any]:
    """End a job."""
    return _ask(request, user, job_id, cancel_job, "The job was cancelled")


def pause(request: Request, user: User, job_id: str) -> dict[str, Any]:
    """Stop a job where it is; its checkpoint appears as soon as it is saved."""
    return _ask(request, user, job_id, pause_job, "The job was paused")


def resume(request: Request, user: User, job_id: str) -> dict[str, Any]:
    """Go on with a paused job."""
    return _ask(request, user, job_id, resume_job, "The job was resumed")


def read_events(
    request: Request, user: User, job_id: str, after: str | None = None, limit: PageLimit = 20
) -> dict[str, Any]:
    """A page of events, the newest first."""
    store: Store = request.app.state.store
    page = list_events(store, get_job(store, job_id, user.project).id, after=after, limit=limit)
    return render_list(page, render_event, after=after)


def read_checkpoints(
    request: Request, user: User, job_id: str, after: str | None = None, limit: PageLimit = 10
) -> dict[str, Any]:
    """A page of checkpoints, the newest first."""
    store: Store = request.app.state.store
    page = list_checkpoints(
        store, get_job(store, job_id, user.project).id, after=after, limit=limit
    )
    return render_list(page, render_checkpoint, after=after)


def get_job(store: Store, job_id: str, project: str) -> JobRow:
    """A job of a project.

    Raises:
        ApiError: 404.
    """
    row = find_job(store, job_id, project)
    if row is None:
        raise not_found("fine-tuning job", job_id, param="fine_tuning_job_id", code="job_not_found")
    return row


def _ask(
    request: Request,
    user: Principal,
    job_id: str,
    change: Callable[[Store, str], JobRow],
    message: str,
) -> dict[str, Any]:
    store: Store = request.app.state.store
    get_job(store, job_id, user.project)
    try:
        row = change(store, job_id)
    except StateConflict as conflict:
        told = f"The job is {conflict.status}, which does not allow that."
        raise refuse(told, param="fine_tuning_job_id", code="invalid_state") from conflict
    with store.write() as connection:
        insert_event(store, connection, job_id, message)
    return render_job(store, row)


def _read_metadata(query: Mapping[str, str]) -> dict[str, str] | str | None:
    if query.get("metadata") == NO_METADATA:
        return NO_METADATA
    pairs = {
        name.removeprefix(_PREFIX).removesuffix(_END): value
        for name, value in query.items()
        if name.startswith(_PREFIX) and name.endswith(_END)
    }
    return pairs or None
