"""The routes of stored completions, each of the key's project; expired ones are gone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict

from assay.runs.store.completions import (
    KEPT,
    CompletionRow,
    find_completion,
    list_completions,
    update_metadata,
)
from assay.runs.store.kept import delete_kept
from assay.runs.store.pages import Page
from assay.runs.store.responses import KEPT as KEPT_RESPONSES
from assay.serve.auth import Principal, require
from assay.serve.errors import not_found, refuse
from assay.serve.lists import render_list
from assay.serve.metadata import Metadata, check_metadata, read_metadata_query

User = Annotated[Principal, Depends(require("infer"))]
Admin = Annotated[Principal, Depends(require("admin"))]
Limit = Annotated[int, Query(ge=1, le=100)]
Order = Literal["asc", "desc"]
_ECHOED = (
    "frequency_penalty",
    "presence_penalty",
    "response_format",
    "seed",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
)


class UpdateBody(BaseModel):
    """POST /v1/chat/completions/{id}."""

    model_config = ConfigDict(extra="forbid", strict=True)

    metadata: Metadata


def build_router() -> APIRouter:
    """List, retrieve, update, delete, and the messages that were sent; and delete many at once."""
    router = APIRouter(prefix="/chat/completions")
    router.get("")(list_all)
    router.delete("")(remove_many)
    router.get("/{completion_id}")(retrieve)
    router.post("/{completion_id}")(update)
    router.delete("/{completion_id}")(remove)
    router.get("/{completion_id}/messages")(list_messages)
    return router


def list_all(
    request: Request,
    user: User,
    after: str | None = None,
    limit: Limit = 20,
    order: Order = "asc",
    model: str | None = None,
) -> dict[str, Any]:
    """A page of completions, of a model and with pairs of metadata where those are named."""
    having = read_metadata_query(request)
    try:
        check_metadata(dict(having))
    except ValueError as error:
        raise refuse(f"metadata: {error}.", param="metadata") from error
    page = list_completions(
        request.app.state.store,
        user.project,
        after=after,
        limit=limit,
        newest_first=order == "desc",
        model=model,
        having=having,
    )
    return render_list(page, render_completion, after=after)


def retrieve(request: Request, user: User, completion_id: str) -> dict[str, Any]:
    """One completion, as it was answered."""
    return render_completion(get_completion(request, user, completion_id))


def update(request: Request, user: User, completion_id: str, body: UpdateBody) -> dict[str, Any]:
    """Replace its metadata."""
    row = update_metadata(request.app.state.store, completion_id, user.project, body.metadata)
    if row is None:
        raise _unknown(completion_id)
    return render_completion(row)


def remove(request: Request, user: User, completion_id: str) -> dict[str, Any]:
    """Delete it with all that was said of it, for good."""
    store = request.app.state.store
    if not delete_kept(store, KEPT, project=user.project, identity=completion_id):
        raise _unknown(completion_id)
    return {"id": completion_id, "object": "chat.completion.deleted", "deleted": True}


def remove_many(
    request: Request, user: Admin, key_id: str | None = None, person: str | None = None
) -> dict[str, Any]:
    """Delete all of a key, or all of a person that requests named, for good; responses, too."""
    if (not key_id) == (not person):
        raise refuse("Name either a key_id or a person.", param="person" if key_id else "key_id")
    store = request.app.state.store
    whose: Any = {"key_id": key_id or None, "person": person or None}
    num = sum(
        delete_kept(store, kept, project=user.project, **whose) for kept in (KEPT, KEPT_RESPONSES)
    )
    return {"object": "chat.completions.deleted", "num_deleted": num}


def list_messages(
    request: Request,
    user: User,
    completion_id: str,
    after: str | None = None,
    limit: Limit = 20,
    order: Order = "asc",
) -> dict[str, Any]:
    """A page of the messages that were sent; the answer stands in the completion."""
    row = get_completion(request, user, completion_id)
    messages = [_render_message(row.id, *one) for one in enumerate(row.request["messages"])]
    if order == "desc":
        messages.reverse()
    ids = [message["id"] for message in messages]
    if after is not None and after not in ids:
        raise not_found("cursor", after, param="after")
    rest = messages if after is None else messages[ids.index(after) + 1 :]
    page = Page(rest[:limit], len(rest) > limit)
    return render_list(page, lambda message: message, after=after)


def get_completion(request: Request, user: Principal, completion_id: str) -> CompletionRow:
    """A completion of the key's project.

    Raises:
        ApiError: 404.
    """
    row = find_completion(request.app.state.store, completion_id, user.project)
    if row is None:
        raise _unknown(completion_id)
    return row


def render_completion(row: CompletionRow) -> dict[str, Any]:
    """A stored completion: the answer, its metadata, and how it was asked for."""
    echoed = {key: row.request.get(key) for key in _ECHOED}
    return {**echoed, **row.response, "metadata": row.metadata or {}}


def _render_message(completion_id: str, place: int, message: dict[str, Any]) -> dict[str, Any]:
    content: Any = message.get("content")
    parts = content if isinstance(content, list) else None
    return {
        "name": None,
        **message,
        "id": f"{completion_id}-{place}",
        "content": content if parts is None else "".join(part["text"] for part in parts),
        "content_parts": parts,
    }


def _unknown(completion_id: str) -> Exception:
    return not_found(
        "completion", completion_id, param="completion_id", code="completion_not_found"
    )
