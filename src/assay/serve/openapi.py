"""The server's OpenAPI document, made of its routes: what FastAPI says, corrected to what is true.

Source: OpenAPI Specification 3.1.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi

from assay.serve.auth import Principal, require

OPEN_PATHS = ("/health",)
"""Those that need no key."""
_METHODS = ("get", "post", "put", "patch", "delete")
_UNTRUE = ("HTTPValidationError", "ValidationError")
"""FastAPI's own form of a refusal, which is not answered here."""
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_REFUSAL = {
    "description": "Refused, or failed: the reason, and by `param` the place.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def build_router() -> APIRouter:
    """``GET /openapi.json``, for every key."""
    router = APIRouter()

    @router.get("/openapi.json")
    def read_openapi(
        request: Request,
        principal: Annotated[Principal, Depends(require("admin", "train", "infer"))],
    ) -> dict[str, Any]:
        """This document."""
        return describe_app(request.app)

    return router


def describe_app(app: FastAPI) -> dict[str, Any]:
    """The document of all routes of `app`."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary="OpenAI's fine-tuning and inference interface on one machine.",
        routes=app.routes,
    )
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for name in _UNTRUE:
        schemas.pop(name, None)
    schemas["Error"] = _ERROR
    parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    for path, item in document["paths"].items():
        for operation in (item[method] for method in _METHODS if method in item):
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _REFUSAL
            if path in OPEN_PATHS:
                operation["security"] = []
    return document
