"""The routes of batches, each of the key's project; what is done lies in `run`."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from assay.runs.store.batches import (
    BatchRow,
    cancel_batch,
    find_batch,
    insert_batch,
    list_batches,
)
from assay.runs.store.creates import Attempt, find_created, fingerprint, note_created
from assay.runs.store.ids import new_id
from assay.serve.auth import Principal, require
from assay.serve.errors import not_found, refuse
from assay.serve.files.routes import MAX_EXPIRY_S, MIN_EXPIRY_S, get_file
from assay.serve.lists import render_list
from assay.serve.metadata import Metadata
from assay.serve.retries import is_retry

User = Annotated[Principal, Depends(require("infer"))]
Endpoint = Literal["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"]
PURPOSE = "batch"
_TIMES = (
    "in_progress_at",
    "expires_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ExpiresAfter(_Body):
    """When the files of results expire, from their making."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=MIN_EXPIRY_S, le=MAX_EXPIRY_S)]


class BatchBody(_Body):
    """POST /v1/batches."""

    completion_window: Literal["24h"]
    endpoint: Endpoint
    input_file_id: Annotated[str, Field(min_length=1, max_length=200)]
    metadata: Metadata = None
    output_expires_after: ExpiresAfter | None = None


def build_router() -> APIRouter:
    """Create, list, retrieve, cancel."""
    router = APIRouter(prefix="/batches")
    router.post("")(create)
    router.get("")(list_all)
    router.get("/{batch_id}")(retrieve)
    router.post("/{batch_id}/cancel")(cancel)
    return router


def create(request: Request, user: User, body: BatchBody) -> dict[str, Any]:
    """Take a batch; its lines are checked, then answered, after this."""
    store, arrived = request.app.state.store, time.time()
    file = get_file(store, body.input_file_id, user.project, param="input_file_id")
    if file.purpose != PURPOSE:
        told = f"The file is for {file.purpose}; one of purpose {PURPOSE} is expected."
        raise refuse(told, param="input_file_id", code="invalid_file_purpose")
    mark = fingerprint(user.id, "batches", body.model_dump())
    attempt = Attempt(mark, is_retry(request), arrived)
    after = body.output_expires_after
    with store.write() as connection:
        batch_id = find_created(store, connection, attempt)
        if batch_id is None:
            batch_id = new_id("batch_")
            insert_batch(
                store,
                connection,
                id=batch_id,
                project=user.project,
                key_id=user.id,
                endpoint=body.endpoint,
                input_file_id=file.id,
                output_expires_after_s=None if after is None else after.seconds,
                metadata=body.metadata,
            )
            note_created(store, connection, attempt, batch_id)
    return render_batch(_get(request, user, batch_id))


def list_all(
    request: Request,
    user: User,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """A page of batches, the newest first."""
    page = list_batches(request.app.state.store, user.project, after=after, limit=limit)
    return render_list(page, render_batch, after=after)


def retrieve(request: Request, user: User, batch_id: str) -> dict[str, Any]:
    """One batch, with its counts as they are now."""
    return render_batch(_get(request, user, batch_id))


def cancel(request: Request, user: User, batch_id: str) -> dict[str, Any]:
    """Ask no further line; what was answered is kept."""
    _get(request, user, batch_id)
    status = cancel_batch(request.app.state.store, batch_id)
    if status is not None and not (status == "cancelled" and is_retry(request)):
        told = f"The batch is {status}; one that is validating or in progress can be cancelled."
        raise refuse(told, param="batch_id", code="batch_not_cancellable")
    return render_batch(_get(request, user, batch_id))


def render_batch(row: BatchRow) -> dict[str, Any]:
    """A batch in OpenAI's form."""
    times = {name: getattr(row, name) for name in _TIMES}
    return {
        "id": row.id,
        "object": "batch",
        "endpoint": row.endpoint,
        "model": row.model,
        "errors": {"object": "list", "data": row.errors} if row.errors else None,
        "input_file_id": row.input_file_id,
        "completion_window": "24h",
        "status": row.status,
        "output_file_id": row.output_file_id,
        "error_file_id": row.error_file_id,
        "created_at": int(row.created_at),
        **{name: None if value is None else int(value) for name, value in times.items()},
        "request_counts": {
            "total": row.num_total,
            "completed": row.num_completed,
            "failed": row.num_failed,
        },
        "usage": row.usage,
        "metadata": row.metadata,
    }


def _get(request: Request, user: Principal, batch_id: str) -> BatchRow:
    row = find_batch(request.app.state.store, batch_id, user.project)
    if row is None:
        raise not_found("batch", batch_id, param="batch_id")
    return row
