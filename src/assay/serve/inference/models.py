"""GET and DELETE /v1/models: what may be asked here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

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
        model: str, principal: Annotated[Principal, Depends(require("infer"))]
    ) -> dict[str, Any]:
        """One model; a held one too, so that a client sees that it exists."""
        auto = [one for one in _list_auto(inference) if one.id == model]
        return _describe(auto[0] if auto else catalog.describe(model, principal))

    @router.delete("/models/{model:path}")
    def delete_model(
        model: str, principal: Annotated[Principal, Depends(require("train"))]
    ) -> dict[str, Any]:
        """Serve a tuned model no more; its run stays on disk."""
        catalog.delete(model)
        return {"id": model, "object": "model", "deleted": True}

    return router


def _list_auto(inference: Inference) -> list[ServedModel]:
    """The name by which the server chooses, where it does; it is listed first."""
    if inference.auto is None:
        return []
    created = inference.auto.router.created
    return [ServedModel(AUTO, created, OWNER)]


def _describe(model: ServedModel) -> dict[str, Any]:
    marks = {**model.marks, **({"override": model.reason} if model.reason else {})}
    return {
        "id": model.id if model.alias is None else model.alias.name,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        **({"x_assay": marks} if marks else {}),
    }
