"""The routes of checkpoint permissions: which projects may use a checkpoint; for admins."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from assay.runs.store import Store
from assay.runs.store.models import find_checkpoint
from assay.runs.store.permissions import (
    PermissionRow,
    allow,
    forbid,
    list_permissions,
    list_projects,
)
from assay.serve.auth import Principal, require
from assay.serve.errors import not_found, refuse
from assay.serve.jobs.fields import Closed
from assay.serve.lists import render_list

Admin = Annotated[Principal, Depends(require("admin"))]


class CreatePermissions(Closed):
    project_ids: list[str] = Field(min_length=1, max_length=100)


def build_router() -> APIRouter:
    """Create, list and delete."""
    router = APIRouter(prefix="/fine_tuning/checkpoints/{checkpoint}/permissions")
    router.post("")(create)
    router.get("")(list_all)
    router.delete("/{permission_id}")(remove)
    return router


def create(
    request: Request, user: Admin, checkpoint: str, asked: CreatePermissions
) -> dict[str, Any]:
    """Let projects use a checkpoint; all of them or none."""
    store: Store = request.app.state.store
    name = _find(store, checkpoint)
    unknown = sorted(set(asked.project_ids) - list_projects(store))
    if unknown:
        message = f"No such project: {', '.join(unknown)}."
        raise refuse(message, param="project_ids", code="project_not_found")
    data = [_render(row) for row in allow(store, name, asked.project_ids)]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"],
        "last_id": data[-1]["id"],
        "has_more": False,
    }


def list_all(
    request: Request,
    user: Admin,
    checkpoint: str,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    order: Literal["ascending", "descending"] = "descending",
    project_id: str | None = None,
) -> dict[str, Any]:
    """A page of permissions."""
    store: Store = request.app.state.store
    page = list_permissions(
        store,
        _find(store, checkpoint),
        after=after,
        limit=limit,
        newest_first=order == "descending",
        project=project_id,
    )
    return render_list(page, _render, after=after)


def remove(request: Request, user: Admin, checkpoint: str, permission_id: str) -> dict[str, Any]:
    """Take a permission back."""
    store: Store = request.app.state.store
    if not forbid(store, _find(store, checkpoint), permission_id):
        raise not_found("permission", permission_id, param="permission_id")
    return {"id": permission_id, "object": "checkpoint.permission", "deleted": True}


def _find(store: Store, checkpoint: str) -> str:
    """The model's name of a checkpoint, given that or its id."""
    row = find_checkpoint(store, checkpoint)
    if row is None:
        raise not_found("checkpoint", checkpoint, param="fine_tuned_model_checkpoint")
    return str(row.id)


def _render(row: PermissionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "checkpoint.permission",
        "created_at": int(row.created_at),
        "project_id": row.project,
    }
