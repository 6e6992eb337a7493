"""The routes of aliases, for admins: list, promote, roll back, remove, history."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from assay.runs.store import Store
from assay.runs.store.aliases import (
    LOCK,
    MoveRow,
    find_alias,
    list_aliases,
    list_moves,
    remove_alias,
)
from assay.runs.store.creates import Attempt, find_created, fingerprint, note_created
from assay.serve.auth import Principal, require
from assay.serve.errors import not_found, refuse
from assay.serve.lifecycle.moving import (
    describe_alias,
    describe_move,
    go_back,
    go_back_if_held,
    promote_model,
)
from assay.serve.lists import render_list
from assay.serve.retries import is_retry

Admin = Annotated[Principal, Depends(require("admin"))]
Name = Annotated[str, Field(min_length=1, max_length=400)]
Reason = Annotated[str, Field(max_length=2000)]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RuleBody(Closed):
    """What of the rule for going back is changed."""

    max_error_rate: float | None = None
    max_breach_rate: float | None = None
    window_s: float | None = None
    min_answers: int | None = None


class PromoteBody(Closed):
    model: Name
    reason: Reason = ""
    rule: RuleBody | None = None


class RollbackBody(Closed):
    """With `model` the alias moves only if it points there; with `verdict`, which needs it, only if
    that verdict holds the model."""

    model: Name | None = None
    reason: Reason = ""
    verdict: dict[str, Any] | None = None


def build_router() -> APIRouter:
    """Aliases and their moves."""
    router = APIRouter(prefix="/aliases")
    router.get("")(list_all)
    router.get("/{alias}")(retrieve)
    router.get("/{alias}/moves")(read_moves)
    router.post("/{alias}")(point)
    router.post("/{alias}/rollback")(rollback)
    router.delete("/{alias}")(remove)
    return router


def list_all(request: Request, user: Admin) -> dict[str, Any]:
    """Every alias, with where it points."""
    store: Store = request.app.state.store
    data = [describe_alias(store, row) for row in list_aliases(store)]
    return {"object": "list", "data": data, "has_more": False}


def retrieve(request: Request, user: Admin, alias: str) -> dict[str, Any]:
    """One alias."""
    store: Store = request.app.state.store
    return describe_alias(store, _get(store, alias))


def read_moves(
    request: Request,
    user: Admin,
    alias: str,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> dict[str, Any]:
    """A page of an alias's history, the newest first; of a removed one, too."""
    store: Store = request.app.state.store
    page = list_moves(store, alias, after=after, limit=limit)
    return render_list(page, describe_move, after=after)


def point(request: Request, user: Admin, alias: str, asked: PromoteBody) -> dict[str, Any]:
    """Point an alias at a released model; to where it points already, nothing moves."""
    store: Store = request.app.state.store
    row = promote_model(
        store,
        alias,
        asked.model,
        actor=user.id,
        reason=asked.reason,
        rule=asked.rule.model_dump() if asked.rule is not None else None,
        trust=request.app.state.trust,
    )
    return describe_alias(store, row)


def rollback(
    request: Request, user: Admin, alias: str, asked: RollbackBody | None = None
) -> dict[str, Any]:
    """Point an alias where it pointed before; once for a request that is sent again."""
    store: Store = request.app.state.store
    asked = asked or RollbackBody()
    _get(store, alias)
    content = [alias, asked.model_dump()]
    mark = fingerprint(user.id, "aliases/rollback", content)
    attempt = Attempt(mark, is_retry(request), time.time())
    made = None
    with store.write() as connection:
        store.lock(connection, LOCK)
        if find_created(store, connection, attempt) is None:
            made = _go_back(store, connection, user, alias, asked)
            note_created(store, connection, attempt, made.id if made is not None else alias)
    return {**describe_alias(store, _get(store, alias)), "moved": made is not None}


def remove(request: Request, user: Admin, alias: str) -> dict[str, Any]:
    """Let an alias point nowhere; its history stays."""
    store: Store = request.app.state.store
    if not remove_alias(store, alias, actor=user.id):
        raise _unknown(alias)
    return {"id": alias, "object": "alias", "deleted": True}


def _go_back(
    store: Store, connection: Connection, user: Principal, alias: str, asked: RollbackBody
) -> MoveRow | None:
    if asked.verdict is None:
        return go_back(
            store, connection, alias, actor=user.id, reason=asked.reason, model=asked.model
        )
    if asked.model is None:
        message = "A verdict needs the model that it is of."
        raise refuse(message, param="model", code="missing_required_parameter")
    return go_back_if_held(store, connection, alias, asked.verdict, model=asked.model)


def _get(store: Store, alias: str) -> MoveRow:
    row = find_alias(store, alias)
    if row is None:
        raise _unknown(alias)
    return row


def _unknown(alias: str) -> Exception:
    return not_found("alias", alias, param="alias")
