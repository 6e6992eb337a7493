"""The routes of evals, their runs and results; each key sees its own project's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Row

from assay.runs.store import Store
from assay.runs.store import evals as store_of
from assay.runs.store.creates import Attempt, find_created, fingerprint, note_created
from assay.runs.store.files import find_file
from assay.serve.auth import Principal, require
from assay.serve.errors import ApiError, not_found, refuse
from assay.serve.evals.ask import build_asking
from assay.serve.evals.body import ChangeEval, CompletionsSource, CreateEval, CreateRun
from assay.serve.evals.criteria import build_criteria
from assay.serve.evals.render import render_eval, render_item, render_run
from assay.serve.evals.rows import RowsProblem, check_rows, check_schema, is_unicode
from assay.serve.inference.inference import Inference
from assay.serve.lists import render_list
from assay.serve.retries import is_retry

User = Annotated[Principal, Depends(require("train"))]
Limit = Annotated[int, Query(ge=1, le=100)]
Order = Literal["asc", "desc"]
RunStatus = Literal["queued", "in_progress", "completed", "canceled", "failed"]


def build_router(inference: Inference | None) -> APIRouter:
    """Evals, runs, results; `inference` says which models may be asked, None that none may."""
    router = APIRouter(prefix="/evals")
    router.post("")(create)
    router.get("")(list_all)
    router.get("/{eval_id}")(retrieve)
    router.post("/{eval_id}")(change)
    router.delete("/{eval_id}")(remove)

    @router.post("/{eval_id}/runs")
    def create_run(request: Request, user: User, eval_id: str, asked: CreateRun) -> dict[str, Any]:
        """Begin a run; it is worked on after the answer."""
        store: Store = request.app.state.store
        owner = _get_eval(store, eval_id, user)
        _check_run(store, inference, owner, asked, user)
        return render_run(_insert_run(request, user, eval_id, asked))

    run = "/{eval_id}/runs/{run_id}"
    router.get("/{eval_id}/runs")(list_runs)
    router.get(run)(retrieve_run)
    # OpenAI's document has both forms.
    router.post(run)(cancel_run)
    router.post(f"{run}/cancel")(cancel_run)
    router.delete(run)(remove_run)
    router.get(f"{run}/output_items")(list_items)
    router.get(f"{run}/output_items/{{item_id}}")(retrieve_item)
    return router


def create(request: Request, user: User, asked: CreateEval) -> dict[str, Any]:
    """Make an eval of a schema and criteria."""
    arrived_at, store = time.time(), request.app.state.store
    _refuse_halves(asked.model_dump(mode="json"))
    check_schema(asked.data_source_config.item_schema)
    build_criteria(asked.testing_criteria, request.app.state.bases)

    def insert(connection: Any) -> store_of.EvalRow:
        return store_of.insert_eval(
            store,
            connection,
            project=user.project,
            name=asked.name or "eval",
            metadata=asked.metadata,
            data_source_config=asked.data_source_config.model_dump(mode="json"),
            testing_criteria=asked.testing_criteria,
        )

    content = asked.model_dump(mode="json")
    attempt = Attempt(fingerprint(user.id, "evals", content), is_retry(request), arrived_at)
    row = _once(store, attempt, insert, lambda known: _get_eval(store, known, user))
    return render_eval(row)


def list_all(
    request: Request,
    user: User,
    after: str | None = None,
    limit: Limit = 20,
    order: Order = "asc",
    order_by: Literal["created_at"] = "created_at",
) -> dict[str, Any]:
    """A page of evals."""
    page = store_of.list_evals(
        request.app.state.store,
        user.project,
        after=after,
        limit=limit,
        newest_first=order == "desc",
    )
    return render_list(page, render_eval, after=after)


def retrieve(request: Request, user: User, eval_id: str) -> dict[str, Any]:
    """One eval."""
    return render_eval(_get_eval(request.app.state.store, eval_id, user))


def change(request: Request, user: User, eval_id: str, asked: ChangeEval) -> dict[str, Any]:
    """Another name or other metadata."""
    store: Store = request.app.state.store
    values = asked.model_dump(exclude_unset=True)
    if values.get("name", "") is None:
        del values["name"]
    row = store_of.change_eval(store, eval_id, user.project, **values)
    if row is None:
        raise not_found("eval", eval_id, param="eval_id")
    return render_eval(row)


def remove(request: Request, user: User, eval_id: str) -> dict[str, Any]:
    """Forget an eval with its runs; one that is worked on ends."""
    if not store_of.delete_eval(request.app.state.store, eval_id, user.project):
        raise not_found("eval", eval_id, param="eval_id")
    return {"object": "eval.deleted", "eval_id": eval_id, "deleted": True}


def list_runs(
    request: Request,
    user: User,
    eval_id: str,
    after: str | None = None,
    limit: Limit = 20,
    order: Order = "asc",
    status: RunStatus | None = None,
) -> dict[str, Any]:
    """A page of an eval's runs."""
    store: Store = request.app.state.store
    page = store_of.list_runs(
        store,
        _get_eval(store, eval_id, user).id,
        after=after,
        limit=limit,
        newest_first=order == "desc",
        status=status,
    )
    return render_list(page, render_run, after=after)


def retrieve_run(request: Request, user: User, eval_id: str, run_id: str) -> dict[str, Any]:
    """One run."""
    return render_run(_get_run(request.app.state.store, eval_id, run_id, user))


def cancel_run(request: Request, user: User, eval_id: str, run_id: str) -> dict[str, Any]:
    """End a run; the results that it has stay."""
    store: Store = request.app.state.store
    _get_run(store, eval_id, run_id, user)
    try:
        return render_run(store_of.cancel_run(store, run_id))
    except store_of.RunEnded as ended:
        told = f"The run is {ended.status}, which does not allow that."
        raise refuse(told, param="run_id", code="invalid_state") from ended


def remove_run(request: Request, user: User, eval_id: str, run_id: str) -> dict[str, Any]:
    """Forget a run and its results; one that is worked on ends."""
    store: Store = request.app.state.store
    _get_run(store, eval_id, run_id, user)
    store_of.delete_run(store, run_id)
    return {"object": "eval.run.deleted", "run_id": run_id, "deleted": True}


def list_items(
    request: Request,
    user: User,
    eval_id: str,
    run_id: str,
    after: str | None = None,
    limit: Limit = 20,
    order: Order = "asc",
    status: Literal["pass", "fail", "error"] | None = None,
) -> dict[str, Any]:
    """A page of a run's results, in the order in which they came."""
    store: Store = request.app.state.store
    run = _get_run(store, eval_id, run_id, user)
    page = store_of.list_items(
        store, run_id, after=after, limit=limit, newest_first=order == "desc", status=status
    )
    return render_list(page, lambda row: render_item(row, run), after=after)


def retrieve_item(
    request: Request, user: User, eval_id: str, run_id: str, item_id: str
) -> dict[str, Any]:
    """One result."""
    store: Store = request.app.state.store
    run = _get_run(store, eval_id, run_id, user)
    row = store_of.find_item(store, run_id, item_id)
    if row is None:
        raise not_found("output item", item_id, param="output_item_id")
    return render_item(row, run)


def _check_run(
    store: Store,
    inference: Inference | None,
    owner: store_of.EvalRow,
    asked: CreateRun,
    user: Principal,
) -> None:
    """Refuse what can be known to fail; rows of a file are read when the run begins."""
    _refuse_halves(asked.model_dump(mode="json", exclude={"data_source": {"source"}}))
    source = asked.data_source
    if isinstance(source, CompletionsSource) and source.model is not None:
        if not user.allows("infer"):
            raise ApiError(403, "This key has no scope infer.", code="insufficient_scope")
        if inference is None:
            raise not_found("model", source.model, param="model", code="model_not_found")
        inference.catalog.describe(source.model, user)
        assert source.input_messages is not None
        build_asking(source.input_messages.model_dump(mode="json"))
    rows = source.source.model_dump(mode="json")
    if rows["type"] == "file_id":
        if find_file(store, rows["id"], user.project) is None:
            raise not_found("file", rows["id"], param="data_source.source.id")
        return
    try:
        check_rows(store, rows, owner.data_source_config["item_schema"])
    except RowsProblem as problem:
        place = "data_source.source.content"
        raise refuse(problem.message, param=place, code=problem.code) from problem


def _insert_run(
    request: Request, user: Principal, eval_id: str, asked: CreateRun
) -> store_of.RunRow:
    store: Store = request.app.state.store
    source = asked.data_source.model_dump(mode="json", exclude_none=True, by_alias=True)
    model = source.get("model")

    def insert(connection: Any) -> store_of.RunRow:
        return store_of.insert_run(
            store,
            connection,
            eval_id=eval_id,
            project=user.project,
            key_id=user.id,
            name=asked.name or "run",
            model=model,
            metadata=asked.metadata,
            data_source=source,
        )

    content = asked.model_dump(mode="json")
    mark = fingerprint(user.id, f"evals/{eval_id}/runs", content)
    attempt = Attempt(mark, is_retry(request), time.time())
    return _once(store, attempt, insert, lambda known: _get_run(store, eval_id, known, user))


def _refuse_halves(content: dict[str, Any]) -> None:
    """Refuse texts that cannot be written as UTF-8, by field."""
    for field, value in content.items():
        if not is_unicode(value):
            raise refuse("A text holds half of a surrogate pair.", param=field)


def _once(
    store: Store,
    attempt: Attempt,
    insert: Callable[[Any], Row[Any]],
    find: Callable[[str], Row[Any]],
) -> Row[Any]:
    """What `insert` makes, or what an earlier sending of the same request has made."""
    with store.write() as connection:
        known = find_created(store, connection, attempt)
        if known is None:
            row = insert(connection)
            note_created(store, connection, attempt, row.id)
            return row
    return find(known)


def _get_eval(store: Store, eval_id: str, user: Principal) -> store_of.EvalRow:
    row = store_of.find_eval(store, eval_id, user.project)
    if row is None:
        raise not_found("eval", eval_id, param="eval_id")
    return row


def _get_run(store: Store, eval_id: str, run_id: str, user: Principal) -> store_of.RunRow:
    row = store_of.find_run(store, _get_eval(store, eval_id, user).id, run_id)
    if row is None:
        raise not_found("run", run_id, param="run_id")
    return row
