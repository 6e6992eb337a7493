"""GET and DELETE /v1/models: what may be asked here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from assay.runs.store import read_tallies
from assay.serve.auth import Principal, require
from assay.serve.inference.catalog import OWNER
from assay.serve.inference.inference import Inference, ServedModel
from assay.serve.router.rules import AUTO


def build_router(inference: Inference) -> APIRouter:
    """The routes, answered from the catalog of `inference`."""
    router = APIRouter()
    catalog = inference.catalog

    @router.get("/models")
    def list_models(principal: Annotated[Principal, Depends(require("infer"))]) -> dict[str, Any]:
        """Aliases, released models, checkpoints that this key may use, the base by its names."""
        found = [*_list_auto(inference), *catalog.list_models(principal)]
        return {"object": "list", "data": [_describe(one) for one in found]}

    @router.get("/models/{model:path}")
    def retrieve_model(
        model: str,
        request: Request,
        principal: Annotated[Principal, Depends(require("infer"))],
    ) -> dict[str, Any]:
        """One model; a held one too, so that a client sees that it exists.

        Admins are told how many of its answers ended, failed, or broke its tool policy, and how.
        """
        auto = [one for one in _list_auto(inference) if one.id == model]
        if auto:
            return _describe(auto[0])
        found = catalog.describe(model, principal)
        counts: dict[str, int] = {}
        if principal.allows("admin") and not found.is_base:
            counts = read_tallies(request.app.state.store, found.id)
        return _describe(found, counts)

    @router.delete("/models/{model:path}")
    def delete_model(
        model: str, principal: Annotated[Principal, Depends(require("train"))]
    ) -> dict[str, Any]:
        """Serve a tuned model no more; its run stays on disk."""
        catalog.describe(model, principal)  # one that this key may not use does not exist for it
        catalog.delete(model, principal)
        return {"id": model, "object": "model", "deleted": True}

    return router


def _list_auto(inference: Inference) -> list[ServedModel]:
    """The name by which the server chooses, where it does; it is listed first."""
    if inference.auto is None:
        return []
    created = inference.auto.router.created
    return [ServedModel(AUTO, created, OWNER)]


def _describe(model: ServedModel, counts: Mapping[str, int] | None = None) -> dict[str, Any]:
    marks: dict[str, Any] = {**model.marks}
    marks |= {"override": model.reason} if model.reason else {}
    marks |= {"counts": dict(counts)} if counts else {}
    return {
        "id": model.id if model.alias is None else model.alias.name,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        **({"x_assay": marks} if marks else {}),
    }
