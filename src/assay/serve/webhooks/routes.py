"""The routes of webhook endpoints, as OpenAI's client asks them; for admins."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator, Field

from assay.runs.store import Store
from assay.runs.store.creates import Attempt, find_created, fingerprint, note_created
from assay.runs.store.ids import new_id
from assay.runs.store.webhooks import (
    EVENT_TYPES,
    EndpointRow,
    change_endpoint,
    delete_endpoint,
    find_endpoint,
    insert_endpoint,
    list_endpoints,
    list_secrets,
    render_event,
    rotate_secret,
)
from assay.serve.auth import Principal, require
from assay.serve.errors import not_found, refuse
from assay.serve.jobs.fields import Closed
from assay.serve.lists import render_list
from assay.serve.outbound import check_address, open_async_client
from assay.serve.retries import is_retry
from assay.serve.webhooks.deliver import TIMEOUT_S, send
from assay.serve.webhooks.sign import build_headers

Admin = Annotated[Principal, Depends(require("admin"))]


def _check_types(given: list[str] | None) -> list[str] | None:
    unknown = [one for one in given or () if one not in EVENT_TYPES]
    if unknown:
        told = f"{', '.join(unknown)}: not told here; there are {', '.join(EVENT_TYPES)}"
        raise ValueError(told)
    return None if given is None else list(dict.fromkeys(given))


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Types = Annotated[list[str], Field(min_length=1, max_length=100), AfterValidator(_check_types)]


class CreateEndpoint(Closed):
    name: Name
    url: str
    event_types: Types


class ChangeEndpoint(Closed):
    name: Name | None = None
    url: str | None = None
    event_types: Types | None = None


class RotateSecret(Closed):
    keep_old_secret_active_for_24_hours: bool = False


class TestEndpoint(Closed):
    event_type: Annotated[str, AfterValidator(lambda one: (_check_types([one]) or [])[0])]


def build_router() -> APIRouter:
    """Create, list, retrieve, change, delete, rotate the secret, and send a sample."""
    router = APIRouter()
    router.post("/webhook_endpoints")(create)
    router.get("/webhook_endpoints")(list_all)
    router.get("/webhook_endpoints/{endpoint_id}")(retrieve)
    router.post("/webhook_endpoints/{endpoint_id}")(change)
    router.delete("/webhook_endpoints/{endpoint_id}")(remove)
    router.post("/webhook_endpoints/{endpoint_id}/rotate_secret")(rotate)
    router.post("/webhook_endpoints/{endpoint_id}/test")(try_out)
    router.get("/webhook_event_types")(list_types)
    return router


def create(request: Request, user: Admin, asked: CreateEndpoint) -> dict[str, Any]:
    """Have events told to a URL; the secret that signs them is shown in this answer alone."""
    arrived_at = time.time()
    store: Store = request.app.state.store
    _check_url(request, asked.url)
    mark = fingerprint(user.id, "webhook_endpoints", asked.model_dump())
    attempt = Attempt(mark, is_retry(request), arrived_at)
    with store.write() as connection:
        known = find_created(store, connection, attempt)
        if known is None:
            values = {"project": user.project, **asked.model_dump()}
            row = insert_endpoint(store, connection, **values)
            note_created(store, connection, attempt, row.id)
            return _render_with_secret(row)
    return _render_with_secret(_get(store, known, user))


def list_all(
    request: Request,
    user: Admin,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """A page of the project's endpoints, the newest first."""
    page = list_endpoints(request.app.state.store, user.project, after=after, limit=limit)
    return render_list(page, _render, after=after)


def retrieve(request: Request, user: Admin, endpoint_id: str) -> dict[str, Any]:
    """One endpoint, without its secret."""
    return _render(_get(request.app.state.store, endpoint_id, user))


def change(
    request: Request, user: Admin, endpoint_id: str, asked: ChangeEndpoint
) -> dict[str, Any]:
    """Another name, URL or set of events; what waits in the outbox goes to the new URL."""
    store: Store = request.app.state.store
    _get(store, endpoint_id, user)
    if asked.url is not None:
        _check_url(request, asked.url)
    values = asked.model_dump(exclude_none=True)
    row = change_endpoint(store, endpoint_id, user.project, **values)
    return _render(_found(row, endpoint_id))


def remove(request: Request, user: Admin, endpoint_id: str) -> dict[str, Any]:
    """Tell it nothing any more."""
    if not delete_endpoint(request.app.state.store, endpoint_id, user.project):
        raise _missing(endpoint_id)
    return {"id": endpoint_id, "object": "webhook_endpoint.deleted", "deleted": True}


def rotate(
    request: Request, user: Admin, endpoint_id: str, asked: RotateSecret | None = None
) -> dict[str, Any]:
    """Another secret, shown in this answer alone."""
    row = rotate_secret(
        request.app.state.store,
        endpoint_id,
        user.project,
        keep_old=asked is not None and asked.keep_old_secret_active_for_24_hours,
    )
    return _render_with_secret(_found(row, endpoint_id))


async def try_out(
    request: Request, user: Admin, endpoint_id: str, asked: TestEndpoint
) -> dict[str, Any]:
    """Send a sample event now, once; the status of the answer."""
    state, now_s = request.app.state, time.time()
    row = _get(state.store, endpoint_id, user)
    event_id = new_id("evt_")
    body = render_event(event_id, asked.event_type, "sample", now_s)
    headers = build_headers(event_id, int(now_s), body, list_secrets(row, now_s))
    async with open_async_client(allow_private=state.allow_private, timeout_s=TIMEOUT_S) as client:
        answered = await send(client, row.url, body, headers)
    if answered.status is None:
        raise refuse(
            f"The endpoint does not answer: {answered.reason}.",
            param="webhook_endpoint_id",
            code="webhook_unreachable",
        )
    return {
        "object": "webhook_endpoint.test",
        "webhook_endpoint_id": row.id,
        "event_type": asked.event_type,
        "status_code": answered.status,
        "success": True,
    }


def list_types(user: Admin) -> dict[str, Any]:
    """Everything that is told."""
    return {"object": "list", "data": list(EVENT_TYPES)}


def _check_url(request: Request, url: str) -> None:
    check_address(url, allow_private=request.app.state.allow_private)


def _get(store: Store, endpoint_id: str, user: Principal) -> EndpointRow:
    return _found(find_endpoint(store, endpoint_id, user.project), endpoint_id)


def _found(row: EndpointRow | None, endpoint_id: str) -> EndpointRow:
    if row is None:
        raise _missing(endpoint_id)
    return row


def _missing(endpoint_id: str) -> Exception:
    return not_found("webhook endpoint", endpoint_id, param="webhook_endpoint_id")


def _render(row: EndpointRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "webhook_endpoint",
        "name": row.name,
        "url": row.url,
        "event_types": row.event_types,
        "created_at": int(row.created_at),
        "updated_at": int(row.updated_at),
        "signing_secret_hint": f"whsec_…{row.secret[-5:]}",
    }


def _render_with_secret(row: EndpointRow) -> dict[str, Any]:
    return {**_render(row), "signing_secret": row.secret}
