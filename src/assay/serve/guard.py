"""`assay guard`: a tool policy before any OpenAI-compatible server; it runs no model.

Every request goes to the one upstream and nowhere else. Chat completions and the list of models are
let through, all other paths are not: what they answer could not be checked.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

import assay
from assay.errors import Problem, UsageError
from assay.serve.errors import ApiError, add_error_responses
from assay.serve.guarded import Guarded, read_asked
from assay.serve.limits import Limits, Surrounded
from assay.serve.sse import iterate_events
from assay.tools.policy import Decision, Policy

_PASSED_UP = ("authorization", "openai-organization", "openai-project", "x-request-id")
_PASSED_DOWN = ("retry-after", "retry-after-ms", "x-should-retry")
_DONE = "[DONE]"
_CONNECT_S, _SILENCE_S = 10.0, 600.0
Log = Callable[[str, int, Decision], None]
"""Told of each call that did not simply pass: the request's id, the choice, and the decision."""


def check_upstream(url: str) -> str:
    """The base URL of the upstream, without a slash at its end.

    Raises:
        UsageError: it is no http or https URL.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query:
        allowed = "the base URL of a server, such as http://127.0.0.1:8000/v1"
        raise UsageError(Problem(repr(url), allowed, "correct the URL", key="--upstream"))
    return url.rstrip("/")


def build_guard(
    policy: Policy, upstream: str, *, log: Log, transport: httpx.AsyncBaseTransport | None = None
) -> FastAPI:
    """The proxy before `upstream`, a base URL; `transport` stands for the network in its place."""
    client = httpx.AsyncClient(
        timeout=httpx.Timeout(_SILENCE_S, connect=_CONNECT_S),
        # Neither a proxy of the environment nor a redirection leads elsewhere.
        trust_env=False,
        follow_redirects=False,
        transport=transport,
        headers={"user-agent": f"assay-guard/{assay.__version__}"},
    )

    @asynccontextmanager
    async def close_after(app: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    app = FastAPI(
        title="Assay guard", docs_url=None, redoc_url=None, openapi_url=None, lifespan=close_after
    )
    add_error_responses(app)

    @app.get("/health")
    def check_health() -> dict[str, str]:
        """Whether the guard answers; the upstream is not asked."""
        return {"status": "ok", "version": assay.__version__}

    @app.get("/v1/models")
    async def list_models(request: Request) -> Response:
        """The upstream's models."""
        return await _pass_on(client, request, f"{upstream}/models")

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        """Answer a conversation, whole or as server-sent events, without calls that are denied."""
        asked = read_asked(await request.body())
        identity = request.scope["state"]["request_id"]
        guarded = Guarded(policy, asked, lambda choice, one: log(identity, choice, one))
        body = json.dumps(asked).encode()
        headers = {**_take_headers(request), "content-type": "application/json"}
        built = client.build_request(
            "POST", f"{upstream}/chat/completions", content=body, headers=headers
        )
        answer = await _send(client, built)
        if answer.status_code != 200:
            return await _pass_down(answer)
        if "text/event-stream" in answer.headers.get("content-type", ""):
            return StreamingResponse(_stream(answer, guarded), media_type="text/event-stream")
        return JSONResponse(guarded.enforce(_decode(await _read(answer))))

    app.add_middleware(Surrounded, limits=Limits(), observe=lambda scope, status, duration_s: None)
    return app


def _take_headers(request: Request) -> dict[str, str]:
    return {name: request.headers[name] for name in _PASSED_UP if name in request.headers}


async def _pass_on(client: httpx.AsyncClient, request: Request, url: str) -> Response:
    answer = await _send(client, client.build_request("GET", url, headers=_take_headers(request)))
    return await _pass_down(answer)


async def _send(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    try:
        return await client.send(request, stream=True)
    except httpx.HTTPError as error:
        raise _unavailable(error) from error


async def _read(answer: httpx.Response) -> bytes:
    try:
        return await answer.aread()
    except httpx.HTTPError as error:
        raise _unavailable(error) from error
    finally:
        await answer.aclose()


async def _pass_down(answer: httpx.Response) -> Response:
    """The upstream's own answer, where it is JSON: an error, or the models."""
    content = _decode(await _read(answer))
    if 300 <= answer.status_code < 400:
        raise _wrong("a redirection, which is not followed")
    headers = {name: answer.headers[name] for name in _PASSED_DOWN if name in answer.headers}
    return JSONResponse(content, answer.status_code, headers)


async def _stream(answer: httpx.Response, guarded: Guarded) -> AsyncIterator[str]:
    """The events that go on; whatever ends the stream early ends it with an error event."""
    try:
        async for event in iterate_events(answer.aiter_text()):
            if event == _DONE:
                break
            for chunk in guarded.feed(_decode(event)):
                yield _write_event(chunk)
        yield f"data: {_DONE}\n\n"
    except httpx.HTTPError as error:
        yield _write_event(_describe(_unavailable(error)))
    except ApiError as error:
        yield _write_event(_describe(error))
    finally:
        await answer.aclose()


def _write_event(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _decode(text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong("an answer that is not JSON") from error
    if not isinstance(value, dict):
        raise _wrong("an answer that is no JSON object")
    return value


def _describe(error: ApiError) -> dict[str, Any]:
    inner = {"message": error.message, "type": error.kind, "param": None, "code": error.code}
    return {"error": inner}


def _unavailable(error: httpx.HTTPError) -> ApiError:
    text = f"The server behind the guard does not answer ({type(error).__name__})."
    return ApiError(502, text, code="upstream_unavailable")


def _wrong(what: str) -> ApiError:
    return ApiError(502, f"The server behind the guard sent {what}.", code="upstream_invalid")
