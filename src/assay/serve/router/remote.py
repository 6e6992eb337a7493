"""Passes a routed request on to a remote OpenAI-compatible server, and its answer back.

Every request goes through `serve/outbound.py`. The remote key is in the environment of this server
alone; nothing of the client's key, metadata or names of users leaves.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi.responses import JSONResponse, Response, StreamingResponse

from assay.errors import ConfigError, Problem
from assay.serve.errors import ApiError, describe_error
from assay.serve.inference.answering import render_event
from assay.serve.inference.chat_body import SamplingBody
from assay.serve.inference.listening import Spending
from assay.serve.outbound import AddressRefused, Resolve, open_async_client, resolve_host
from assay.serve.router.router import Routed
from assay.serve.router.rules import Policy, RemoteRule
from assay.serve.sse import iterate_events

MOST_BYTES = 32 << 20
_KEPT_HERE = (
    "metadata",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
)
_DONE = "[DONE]"


def read_keys(policy: Policy) -> dict[str, str]:
    """The remote models' keys out of the environment, by the names of the policy.

    Raises:
        ConfigError: naming every variable that is not set.
    """
    named = {name: one.key_variable for name, one in policy.remotes.items() if one.key_variable}
    missing = [
        Problem(f"no {variable} in the environment", "the key of the remote model", key=name)
        for name, variable in named.items()
        if not os.environ.get(variable)
    ]
    if missing:
        raise ConfigError(missing)
    return {name: os.environ[variable] for name, variable in named.items()}


@dataclass(frozen=True)
class Remotes:
    """The remote models of a policy, with their keys by name."""

    policy: Policy
    keys: Mapping[str, str] = field(repr=False)
    allow_private: bool = False
    resolve: Resolve = resolve_host

    async def answer(
        self, routed: Routed, path: str, body: SamplingBody, spending: Spending
    ) -> Response:
        """The remote answer, whole or as a stream, with what is told of the route.

        Raises:
            ApiError: 502 where the remote server cannot be reached, or does not answer well.
        """
        remote = self.policy.remotes[routed.name]
        client = open_async_client(
            allow_private=self.allow_private, timeout_s=remote.timeout_s, resolve=self.resolve
        )
        try:
            answer = await self._send(client, routed.name, remote, path, body)
        except BaseException:
            await client.aclose()
            raise
        if body.stream:
            events = _stream(client, answer, routed, spending)
            return StreamingResponse(events, 200, dict(routed.headers), "text/event-stream")
        async with aclosing(client):
            told = _decode(await _read(answer))
        spending.count(_find_usage(told))
        return JSONResponse({**told, **routed.fields}, headers=dict(routed.headers))

    async def _send(
        self,
        client: httpx.AsyncClient,
        name: str,
        remote: RemoteRule,
        path: str,
        body: SamplingBody,
    ) -> httpx.Response:
        content = body.model_dump(mode="json", exclude_unset=True, by_alias=True)
        sent = {key: value for key, value in content.items() if key not in _KEPT_HERE}
        headers = {"authorization": f"Bearer {self.keys[name]}"} if name in self.keys else {}
        url = f"{remote.base_url.rstrip('/')}/{path}"
        request = client.build_request(
            "POST", url, json={**sent, "model": remote.model}, headers=headers
        )
        try:
            answer = await client.send(request, stream=True)
        except (httpx.HTTPError, AddressRefused) as error:
            raise _unavailable(type(error).__name__) from error
        if answer.status_code != 200:
            # Its message may name what only the operator is to know.
            await answer.aclose()
            raise _unavailable(f"status {answer.status_code}", answer.headers.get("retry-after"))
        return answer


async def _read(answer: httpx.Response) -> bytes:
    content = b""
    try:
        async for piece in answer.aiter_bytes():
            content += piece
            if len(content) > MOST_BYTES:
                raise _wrong("an answer that is too long")
    except httpx.HTTPError as error:
        raise _unavailable(type(error).__name__) from error
    finally:
        await answer.aclose()
    return content


async def _stream(
    client: httpx.AsyncClient, answer: httpx.Response, routed: Routed, spending: Spending
) -> AsyncGenerator[bytes, None]:
    """The remote events, each a JSON object; whatever ends them early is the last event."""
    async with aclosing(client):
        try:
            async for event in iterate_events(answer.aiter_text()):
                if event == _DONE:
                    break
                chunk = _decode(event)
                if chunk.get("usage"):
                    spending.count(_find_usage(chunk))
                yield render_event({**chunk, **routed.fields})
            yield f"data: {_DONE}\n\n".encode()
        except httpx.HTTPError as error:
            yield render_event(describe_error(_unavailable(type(error).__name__)))
        except ApiError as error:
            yield render_event(describe_error(error))
        finally:
            await answer.aclose()


def _find_usage(told: Mapping[str, Any]) -> dict[str, int]:
    usage = told.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return {"total_tokens": total if isinstance(total, int) and total > 0 else 0}


def _decode(text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong("an answer that is not JSON") from error
    if not isinstance(value, dict):
        raise _wrong("an answer that is no JSON object")
    return value


def _unavailable(reason: str, retry_after: str | None = None) -> ApiError:
    text = f"The remote model that the router leads to does not answer ({reason})."
    headers = {"retry-after": retry_after} if retry_after else {}
    return ApiError(502, text, code="remote_unavailable", headers=headers)


def _wrong(what: str) -> ApiError:
    text = f"The remote model that the router leads to sent {what}."
    return ApiError(502, text, code="remote_invalid")
