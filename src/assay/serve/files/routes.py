"""The routes of files; what is done lies in `keep` and in the store."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from starlette.datastructures import FormData, UploadFile

from assay.runs.store import Store
from assay.runs.store.files import File, delete_file, find_file, list_files, locate_file
from assay.serve.auth import Principal, require
from assay.serve.errors import ApiError, not_found, refuse
from assay.serve.files.keep import Upload, keep_upload
from assay.serve.files.names import clean_name
from assay.serve.forms import describe_form
from assay.serve.lists import render_list
from assay.serve.retries import is_retry

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
MIN_EXPIRY_S, MAX_EXPIRY_S = 3600, 2_592_000
MAX_FIELDS, MAX_FIELD_BYTES = 16, 64 * 1024
User = Annotated[Principal, Depends(require("train", "infer"))]
_FORM = describe_form(
    {
        "purpose": {"enum": list(PURPOSES)},
        "expires_after[anchor]": {"const": "created_at"},
        "expires_after[seconds]": {
            "type": "integer",
            "minimum": MIN_EXPIRY_S,
            "maximum": MAX_EXPIRY_S,
        },
    },
    file="file",
    required=("purpose",),
)


def build_router() -> APIRouter:
    """Create, list, retrieve, read and delete."""
    router = APIRouter(prefix="/files")
    router.post("", openapi_extra=_FORM)(create_file)
    router.get("")(list_all)
    router.get("/{file_id}")(retrieve_file)
    router.get("/{file_id}/content")(read_content)
    router.delete("/{file_id}")(remove_file)
    return router


async def create_file(request: Request, user: User) -> dict[str, Any]:
    """Keep an upload. The form is read here, after the key: it is streamed to disk, not held."""
    arrived = time.time()
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise refuse("A form with `purpose` and `file` is expected.", param="file")
    state = request.app.state
    async with request.form(
        max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
    ) as form:
        upload = _read_form(form)
        row = await run_in_threadpool(
            keep_upload,
            state.store,
            upload,
            project=user.project,
            limit_bytes=state.limits.file_bytes,
            key_id=user.id,
            is_retry=is_retry(request),
            arrived=arrived,
        )
    return render_file(row)


def list_all(
    request: Request,
    user: User,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
    purpose: str | None = None,
) -> dict[str, Any]:
    """A page of files."""
    page = list_files(
        request.app.state.store,
        user.project,
        after=after,
        limit=limit,
        newest_first=order == "desc",
        purpose=purpose,
    )
    return render_list(page, render_file, after=after)


def retrieve_file(request: Request, user: User, file_id: str) -> dict[str, Any]:
    """One file."""
    return render_file(get_file(request.app.state.store, file_id, user.project))


def read_content(request: Request, user: User, file_id: str) -> FileResponse:
    """Its bytes, as they were uploaded."""
    row = get_file(request.app.state.store, file_id, user.project)
    path = locate_file(request.app.state.store, row.id)
    if not path.is_file():
        raise ApiError(410, "The bytes of this file are gone.", code="file_deleted")
    return FileResponse(path, media_type="application/octet-stream")


def remove_file(request: Request, user: User, file_id: str) -> dict[str, Any]:
    """Delete a file that no job or batch reads any more."""
    store: Store = request.app.state.store
    row = get_file(store, file_id, user.project)
    reader = delete_file(store, row.id)
    if reader is not None:
        message = f"The file is in use by {reader}, which has not ended."
        raise refuse(message, param="file_id", code="file_in_use")
    return {"id": row.id, "object": "file", "deleted": True}


def get_file(store: Store, file_id: str, project: str, *, param: str = "file_id") -> File:
    """A file of a project.

    Raises:
        ApiError: 404.
    """
    row = find_file(store, file_id, project)
    if row is None:
        raise not_found("file", file_id, param=param)
    return row


def render_file(row: File) -> dict[str, Any]:
    """A file in OpenAI's form."""
    return {
        "id": row.id,
        "object": "file",
        "bytes": row.bytes,
        "created_at": int(row.created_at),
        "filename": row.filename,
        "purpose": row.purpose,
        "status": row.status,
        "status_details": row.status_details,
        "expires_at": None if row.expires_at is None else int(row.expires_at),
    }


def _read_form(form: FormData) -> Upload:
    """Purpose, expiry and file of a form.

    Raises:
        ApiError: the first of them that is wrong.
    """
    purpose, file = form.get("purpose"), form.get("file")
    if purpose not in PURPOSES:
        got = "is missing" if purpose is None else f"{purpose!r} is not known"
        raise refuse(f"The purpose {got}; one of {', '.join(PURPOSES)}.", param="purpose")
    if not isinstance(file, UploadFile):
        raise refuse("The form has no file.", param="file", code="missing_required_parameter")
    return Upload(file.file, clean_name(file.filename), str(purpose), _read_expiry(form))


def _read_expiry(form: FormData) -> int | None:
    given = {
        name: str(form[f"expires_after[{name}]"])
        for name in ("anchor", "seconds")
        if f"expires_after[{name}]" in form
    }
    if not given:
        return None
    if given.get("anchor") != "created_at":
        raise refuse("The only anchor is created_at.", param="expires_after.anchor")
    text = given.get("seconds", "")
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
    if not MIN_EXPIRY_S <= seconds <= MAX_EXPIRY_S:
        message = f"A whole number from {MIN_EXPIRY_S} to {MAX_EXPIRY_S} is expected."
        raise refuse(message, param="expires_after.seconds")
    return seconds
