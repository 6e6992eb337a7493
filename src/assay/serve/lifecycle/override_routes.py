"""The routes of overrides, for admins: serve a held model for a reason, hold it again, list."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from assay.runs.store import Store
from assay.runs.store.overrides import find_override, list_overrides
from assay.serve.auth import Principal, require
from assay.serve.errors import not_found
from assay.serve.lifecycle.overriding import describe_override, hold_again, override_model
from assay.serve.lists import render_list

Admin = Annotated[Principal, Depends(require("admin"))]


class OverrideBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=400)]
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


def build_router() -> APIRouter:
    """Create, list, retrieve, revoke."""
    router = APIRouter(prefix="/overrides")
    router.post("")(create)
    router.get("")(list_all)
    router.get("/{model:path}")(retrieve)
    router.delete("/{model:path}")(revoke)
    return router


def create(request: Request, user: Admin, asked: OverrideBody) -> dict[str, Any]:
    """Serve a held model; one that is served already keeps the reason that it has."""
    row = override_model(request.app.state.store, asked.model, actor=user.id, reason=asked.reason)
    return describe_override(row)


def list_all(
    request: Request,
    user: Admin,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> dict[str, Any]:
    """A page of all overrides, revoked ones too, the newest first."""
    page = list_overrides(request.app.state.store, after=after, limit=limit)
    return render_list(page, describe_override, after=after)


def retrieve(request: Request, user: Admin, model: str) -> dict[str, Any]:
    """The last override of a model."""
    store: Store = request.app.state.store
    row = find_override(store, model)
    if row is None:
        raise not_found("override", model, param="model")
    return describe_override(row)


def revoke(
    request: Request,
    user: Admin,
    model: str,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> dict[str, Any]:
    """Hold a model again, from its next request on; aliases that point at it go back."""
    store: Store = request.app.state.store
    return describe_override(hold_again(store, model, actor=user.id, reason=reason))
