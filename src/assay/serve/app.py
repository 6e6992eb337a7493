"""Builds the server's application: middleware, errors, routes; it binds no port."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

import assay
from assay.runs.store import Store
from assay.runs.store.jobs import count_by_status
from assay.serve.auth import Principal, RateLimits, require
from assay.serve.bases import Bases, read_bases
from assay.serve.completions.routes import build_router as build_completions_router
from assay.serve.errors import DATABASE_UNAVAILABLE, ApiError, add_error_responses
from assay.serve.feedback.routes import build_router as build_feedback_router
from assay.serve.files.routes import build_router as build_files_router
from assay.serve.graders.routes import build_router as build_graders_router
from assay.serve.inference.trust import Trust
from assay.serve.jobs.permissions import build_router as build_permissions_router
from assay.serve.jobs.routes import build_router as build_jobs_router
from assay.serve.lifecycle.override_routes import build_router as build_overrides_router
from assay.serve.lifecycle.routes import build_router as build_aliases_router
from assay.serve.limits import Limits, Observe, Surrounded
from assay.serve.metrics import CONTENT_TYPE, Metrics
from assay.serve.openapi import build_router as build_openapi_router
from assay.serve.sweep import sweeping
from assay.serve.uploads.routes import build_router as build_uploads_router
from assay.serve.webhooks.routes import build_router as build_webhooks_router

PREFIX = "/v1"
Service = Callable[[FastAPI], AbstractAsyncContextManager[None]]
"""What runs beside the answers, from the server's start to its end, in the loop of its requests."""
log = logging.getLogger("assay.serve")


def build_app(
    store: Store,
    *,
    bases: Bases | None = None,
    routers: Sequence[APIRouter] = (),
    limits: Limits | None = None,
    allow_private: bool = False,
    trust: Trust | None = None,
    services: Sequence[Service] = (),
) -> FastAPI:
    """The application over `store`; `routers` are mounted under /v1 beside its own.

    `services` run beside the sweeping of the store, once it is served.

    Routes find what they share in ``request.app.state``: `store`, `bases`, `limits`,
    `rate_limits`, `metrics`, and whether requests of the server's own may go to private networks
    (`allow_private`, for `outbound`).
    """
    limits = limits or Limits()
    app = FastAPI(
        title="Assay",
        version=assay.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_build_lifespan((sweeping, *services)),
    )
    app.state.store, app.state.limits, app.state.bases = store, limits, bases or read_bases()
    app.state.allow_private = allow_private
    app.state.trust = trust
    app.state.rate_limits, app.state.metrics = RateLimits(), Metrics()
    add_error_responses(app)
    app.include_router(_build_own_router())
    app.include_router(build_openapi_router())
    own = (
        build_files_router(),
        build_uploads_router(),
        build_completions_router(),
        build_feedback_router(),
        build_jobs_router(),
        build_permissions_router(),
        build_graders_router(),
        build_aliases_router(),
        build_overrides_router(),
        build_webhooks_router(),
    )
    for router in (*own, *routers):
        app.include_router(router, prefix=PREFIX)
    app.add_middleware(Surrounded, limits=limits, observe=_build_observer(app.state.metrics))
    return app


def _build_lifespan(services: Sequence[Service]) -> Service:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for service in services:
                await stack.enter_async_context(service(app))
            yield

    return run


def _build_own_router() -> APIRouter:
    router = APIRouter()

    @router.get("/health")
    def check_health(request: Request) -> dict[str, str]:
        """Whether the server and its database answer; needs no key and tells nothing else."""
        try:
            with request.app.state.store.read() as connection:
                connection.execute(text("select 1"))
        except SQLAlchemyError as error:
            message = "The server's database does not answer."
            raise ApiError(503, message, code=DATABASE_UNAVAILABLE) from error
        return {"status": "ok", "version": assay.__version__}

    @router.get("/metrics")
    def read_metrics(
        request: Request, principal: Annotated[Principal, Depends(require("admin"))]
    ) -> Response:
        """What Prometheus reads."""
        state = request.app.state
        metrics: Metrics = state.metrics
        return Response(metrics.render(count_by_status(state.store)), media_type=CONTENT_TYPE)

    return router


def _build_observer(metrics: Metrics) -> Observe:
    def observe(scope: Scope, status: int, duration_s: float) -> None:
        # The path as it was declared: one that a client made up would be a series of its own.
        route = getattr(scope.get("route"), "path", "") or "unknown"
        metrics.observe(scope["method"], route, status, duration_s)
        state = scope.get("state", {})
        log.info(
            "request",
            extra={
                "request_id": state.get("request_id"),
                "key_id": state.get("key_id"),
                "method": scope["method"],
                "route": route,
                "status": status,
                "duration_s": round(duration_s, 4),
            },
        )

    return observe
