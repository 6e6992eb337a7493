"""vLLM's POST /v1/load_lora_adapter and /v1/unload_lora_adapter, for admins: releases alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse
from pydantic import Field

from assay.serve.auth import Principal, require
from assay.serve.inference.chat_body import Body
from assay.serve.inference.inference import Inference

Admin = Annotated[Principal, Depends(require("admin"))]
Name = Annotated[str, Field(min_length=1, max_length=400)]


class LoadBody(Body):
    """POST /v1/load_lora_adapter; `lora_path` is a release's name, alias or folder."""

    lora_name: Name
    lora_path: Annotated[str, Field(min_length=1, max_length=4096)]
    load_inplace: bool | None = None


class UnloadBody(Body):
    """POST /v1/unload_lora_adapter."""

    lora_name: Name
    lora_int_id: int | None = None


def build_router(inference: Inference) -> APIRouter:
    """The routes, for the catalog of `inference`."""
    router = APIRouter()
    catalog = inference.catalog

    @router.post("/load_lora_adapter")
    def load_lora_adapter(body: LoadBody, user: Admin) -> PlainTextResponse:
        """Load a release of this store, checked as at any request, and answer by the name."""
        in_place = bool(body.load_inplace)
        catalog.load_as(body.lora_name, body.lora_path, user, in_place=in_place)
        return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' added successfully.")

    @router.post("/unload_lora_adapter")
    def unload_lora_adapter(body: UnloadBody, user: Admin) -> PlainTextResponse:
        """Let go of it; the name answers no more, if it was not the release's own."""
        catalog.unload(body.lora_name)
        return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")

    return router
