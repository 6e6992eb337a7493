"""The routes of responses: asked, read again, listed by what was asked, forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse

from assay.runs.store import Store
from assay.runs.store.kept import delete_kept
from assay.runs.store.responses import KEPT, ResponseRow, find_response, read_chain
from assay.serve.auth import Principal, require
from assay.serve.errors import ApiError, not_found, refuse
from assay.serve.inference.asked import Asked, prepare_chat
from assay.serve.inference.inference import Inference
from assay.serve.inference.listening import Spending, submit
from assay.serve.responses.answer import ResponseAnswer
from assay.serve.responses.body import ResponseBody
from assay.serve.responses.items import build_conversation, keep_input

User = Annotated[Principal, Depends(require("infer"))]


def build_router(inference: Inference) -> APIRouter:
    """Create, retrieve, list what was asked, delete; answered by `inference`."""
    router = APIRouter(prefix="/responses")

    @router.post("")
    async def create(body: ResponseBody, request: Request, principal: User) -> Response:
        """Answer items, whole or, with `stream`, as named events."""
        store: Store = request.app.state.store
        is_kept = _is_kept(request, body)
        asked, items = await run_in_threadpool(_prepare, store, inference, body, principal)
        heard = submit(inference.scheduler, request, key=principal.id, rows=asked.rows)
        spending, kept = Spending(request, principal), items if is_kept else None
        answer = ResponseAnswer(inference, asked, body, spending, kept=kept)
        if not body.stream:
            return JSONResponse(await answer.collect(heard), headers=asked.model.headers)
        events = answer.stream(heard)
        return StreamingResponse(
            events, media_type="text/event-stream", headers=asked.model.headers
        )

    router.get("/{response_id}")(retrieve)
    router.get("/{response_id}/input_items")(list_input)
    router.delete("/{response_id}")(remove)
    return router


def retrieve(
    request: Request, user: User, response_id: str, stream: bool | None = None
) -> dict[str, Any]:
    """A response that was kept."""
    if stream:
        raise refuse("A response that is kept is not streamed again.", param="stream")
    return dict(_get(request.app.state.store, response_id, user).response)


def list_input(
    request: Request,
    user: User,
    response_id: str,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> dict[str, Any]:
    """A page of all items that a response answered, those of earlier responses, too."""
    store: Store = request.app.state.store
    row = _get(store, response_id, user)
    known = [] if row.previous is None else _read_known(store, row.previous, user)
    items = [*known, *row.input]
    if order == "desc":
        items.reverse()
    if after is not None:
        place = next((n for n, item in enumerate(items) if item["id"] == after), None)
        if place is None:
            raise not_found("cursor", after, param="after")
        items = items[place + 1 :]
    shown = items[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else "",
        "last_id": shown[-1]["id"] if shown else "",
        "has_more": len(items) > limit,
    }


def remove(request: Request, user: User, response_id: str) -> dict[str, Any]:
    """Forget a response; what goes on from it cannot be gone on with any more."""
    if not delete_kept(request.app.state.store, KEPT, project=user.project, identity=response_id):
        raise _missing(response_id)
    return {"id": response_id, "object": "response", "deleted": True}


def _is_kept(request: Request, body: ResponseBody) -> bool:
    """Whether the response is kept; as with OpenAI it is, unless somebody says otherwise.

    Raises:
        ApiError: 400 where it is to be kept by a server that keeps nothing.
    """
    keeps = request.app.state.limits.retention_s > 0
    if body.store and not keeps:
        told = "This server keeps no conversations; leave store out."
        raise refuse(told, param="store", code="storage_disabled")
    return keeps and body.store is not False


def _prepare(
    store: Store, inference: Inference, body: ResponseBody, principal: Principal
) -> tuple[Asked, list[dict[str, Any]]]:
    """The rows that answer, and the items that are asked."""
    if body.stream_options is not None and not body.stream:
        raise refuse("stream_options needs stream to be true.", param="stream_options")
    previous = body.previous_response_id
    known = [] if previous is None else _read_known(store, previous, principal)
    items = keep_input(body.input)
    conversation = build_conversation(body, known, items)
    try:
        return prepare_chat(inference, conversation.body, principal), items
    except ApiError as error:
        raise conversation.rename(error) from error


def _read_known(store: Store, response_id: str, user: Principal) -> list[dict[str, Any]]:
    """What was asked and answered up to a response, in order."""
    chain: Sequence[ResponseRow] | None = read_chain(store, response_id, user.project)
    if chain is None:
        told = f"The response {response_id!r}, or one that it goes on from, is not kept here."
        raise refuse(told, param="previous_response_id", code="previous_response_not_found")
    return [item for row in chain for item in (*row.input, *row.response["output"])]


def _get(store: Store, response_id: str, user: Principal) -> ResponseRow:
    row = find_response(store, response_id, user.project)
    if row is None:
        raise _missing(response_id)
    return row


def _missing(response_id: str) -> ApiError:
    return not_found("response", response_id, param="response_id")
