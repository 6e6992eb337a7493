"""The routes of uploads; what is done lies in `parts`, `join` and the store."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from assay.runs.store import Store
from assay.runs.store.creates import Attempt, find_created, fingerprint, note_created
from assay.runs.store.files import find_file
from assay.runs.store.ids import new_id
from assay.runs.store.uploads import (
    UploadRow,
    drop_parts,
    end_upload,
    find_upload,
    hold_upload,
    insert_upload,
    read_status,
)
from assay.serve.auth import Principal, require
from assay.serve.errors import not_found, refuse
from assay.serve.files.names import clean_name
from assay.serve.files.routes import MAX_EXPIRY_S, MIN_EXPIRY_S, render_file
from assay.serve.forms import describe_form
from assay.serve.retries import is_retry
from assay.serve.uploads.join import complete_upload
from assay.serve.uploads.parts import keep_part
from assay.serve.uploads.state import refuse_state

MAX_PARTS = 10_000
User = Annotated[Principal, Depends(require("train", "infer"))]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ExpiresAfter(_Body):
    """When the file expires that will be made."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=MIN_EXPIRY_S, le=MAX_EXPIRY_S)]


class UploadBody(_Body):
    """POST /v1/uploads."""

    bytes: Annotated[int, Field(ge=0)]
    filename: Annotated[str, Field(min_length=1, max_length=4096)]
    mime_type: Annotated[str, Field(min_length=1, max_length=255)]
    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
    expires_after: ExpiresAfter | None = None


class CompleteBody(_Body):
    """POST /v1/uploads/{id}/complete."""

    part_ids: Annotated[list[str], Field(max_length=MAX_PARTS)]
    md5: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")] | None = None


def build_router() -> APIRouter:
    """Create, add a part, complete, cancel."""
    router = APIRouter(prefix="/uploads")
    router.post("")(create_upload)
    router.post("/{upload_id}/parts", openapi_extra=describe_form({}, file="data"))(create_part)
    router.post("/{upload_id}/complete")(complete)
    router.post("/{upload_id}/cancel")(cancel)
    return router


def create_upload(request: Request, user: User, body: UploadBody) -> dict[str, Any]:
    """Begin an upload, which takes parts for an hour."""
    store, limits = request.app.state.store, request.app.state.limits
    if body.bytes > limits.upload_bytes:
        raise refuse(f"An upload may have {limits.upload_bytes:,} bytes.", param="bytes")
    mark = fingerprint(user.id, "uploads", body.model_dump())
    attempt = Attempt(mark, is_retry(request), time.time())
    after = body.expires_after
    with store.write() as connection:
        upload_id = find_created(store, connection, attempt)
        if upload_id is None:
            upload_id = new_id("upload_")
            insert_upload(
                store,
                connection,
                id=upload_id,
                project=user.project,
                filename=clean_name(body.filename),
                purpose=body.purpose,
                bytes=body.bytes,
                file_expires_after_s=None if after is None else after.seconds,
            )
            note_created(store, connection, attempt, upload_id)
    return render_upload(store, _get_upload(store, upload_id, user))


async def create_part(request: Request, user: User, upload_id: str) -> dict[str, Any]:
    """Keep a part. The form is read here, after the key: it is streamed to disk, not held."""
    arrived = time.time()
    state = request.app.state
    upload = await run_in_threadpool(_get_open, state.store, upload_id, user)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise refuse("A form with `data` is expected.", param="data")
    async with request.form(max_files=1, max_fields=1) as form:
        data = form.get("data")
        if not isinstance(data, UploadFile):
            raise refuse("The form has no data.", param="data", code="missing_required_parameter")
        row = await run_in_threadpool(
            keep_part,
            state.store,
            upload,
            data.file,
            limit_bytes=state.limits.part_bytes,
            key_id=user.id,
            is_retry=is_retry(request),
            arrived=arrived,
        )
    return {
        "id": row.id,
        "object": "upload.part",
        "created_at": int(row.created_at),
        "upload_id": row.upload_id,
    }


def complete(request: Request, user: User, upload_id: str, body: CompleteBody) -> dict[str, Any]:
    """Make a file of the parts, in the order given."""
    store = request.app.state.store
    upload = _get_upload(store, upload_id, user)
    mark = fingerprint(user.id, f"uploads/{upload.id}/complete", body.model_dump())
    attempt = Attempt(mark, is_retry(request), time.time())
    complete_upload(store, upload, body.part_ids, md5=body.md5, attempt=attempt)
    return render_upload(store, _get_upload(store, upload_id, user))


def cancel(request: Request, user: User, upload_id: str) -> dict[str, Any]:
    """Take no more parts, and forget those that came."""
    store = request.app.state.store
    upload = _get_upload(store, upload_id, user)
    gone = list[str]()
    with store.write() as connection:
        _, status = hold_upload(store, connection, upload.id)
        if status == "pending":
            gone = list(end_upload(connection, upload.id, "cancelled"))
    if status != "pending" and not (status == "cancelled" and is_retry(request)):
        raise refuse_state(status)
    drop_parts(store, gone)
    return render_upload(store, _get_upload(store, upload_id, user))


def render_upload(store: Store, row: UploadRow) -> dict[str, Any]:
    """An upload in OpenAI's form; once completed with its file, unless that was deleted."""
    file = None if row.file_id is None else find_file(store, row.file_id)
    return {
        "id": row.id,
        "object": "upload",
        "bytes": row.bytes,
        "created_at": int(row.created_at),
        "expires_at": int(row.expires_at),
        "filename": row.filename,
        "purpose": row.purpose,
        "status": read_status(store, row),
        "file": None if file is None else render_file(file),
    }


def _get_upload(store: Store, upload_id: str, user: Principal) -> UploadRow:
    row = find_upload(store, upload_id, user.project)
    if row is None:
        raise not_found("upload", upload_id, param="upload_id")
    return row


def _get_open(store: Store, upload_id: str, user: Principal) -> UploadRow:
    """The upload, which takes parts.

    Raises:
        ApiError: 404, or 400 where it has ended: before a body is read.
    """
    row = _get_upload(store, upload_id, user)
    status = read_status(store, row)
    if status != "pending":
        raise refuse_state(status)
    return row
