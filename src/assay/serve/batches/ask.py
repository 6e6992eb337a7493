"""Asks the server's own routes, for batches and evals: what comes is what a client would have got.

The request goes through the whole application, in its key's name, and in a lane of its own, so that
such work and the key's other requests take turns.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from assay.runs.store.ids import new_id
from assay.serve.own import OwnRequest
from assay.serve.texts import render_json

MOST_TRIES = 5
_LONGEST_WAIT_S = 30.0
_NO_ROOM = "rate_limit_exceeded"
_TRANSIENT = (_NO_ROOM, "generation_failed", "client_gone")
"""Codes that say nothing about what was asked."""


@dataclass(frozen=True)
class Answer:
    """A response: its status, headers in lower case, and its JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "")

    @property
    def code(self) -> str:
        """The code of a refusal; "" where there is none."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return str(error.get("code")) if isinstance(error, dict) else ""

    @property
    def wait_s(self) -> float:
        """Seconds after which the server wants to be asked again; 0 where it says nothing."""
        text = self.headers.get("retry-after-ms", "0")
        return float(text) / 1000 if text.isdigit() else 0.0


async def ask(app: ASGIApp, endpoint: str, body: Mapping[str, Any], key_id: str) -> Answer:
    """Answer `body` at `endpoint` in the name of a key; a task that is cancelled lets go of it."""
    content = render_json(body).encode()
    reading, left = _Reading(content), asyncio.Event()
    told: dict[str, Any] = {"status": 0, "headers": {}, "parts": []}

    async def receive() -> Message:
        if reading.content is not None:
            given, reading.content = reading.content, None
            return {"type": "http.request", "body": given, "more_body": False}
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            told["status"] = message["status"]
            told["headers"] = {k.decode().lower(): v.decode() for k, v in message["headers"]}
        else:
            told["parts"].append(message.get("body", b""))

    try:
        await app(_build_scope(endpoint, content, key_id), receive, send)
    finally:
        left.set()
    return Answer(told["status"], told["headers"], json.loads(b"".join(told["parts"])))


async def ask_patiently(
    app: ASGIApp, endpoint: str, body: Mapping[str, Any], key_id: str
) -> Answer:
    """The same, again where the answer says nothing about what was asked.

    Where there is no room it waits for it; other failures are tried `MOST_TRIES` times.
    """
    failures = 0
    while True:
        answer = await ask(app, endpoint, body, key_id)
        failures += answer.code != _NO_ROOM
        if not _is_transient(answer) or failures == MOST_TRIES:
            return answer
        await asyncio.sleep(min(_LONGEST_WAIT_S, answer.wait_s or 0.1 * 2**failures))


def _is_transient(answer: Answer) -> bool:
    return answer.code in _TRANSIENT or (answer.status >= 500 and answer.code != "internal_error")


@dataclass
class _Reading:
    content: bytes | None


def _build_scope(endpoint: str, content: bytes, key_id: str) -> Scope:
    headers = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        "x-request-id": new_id("req_"),
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": endpoint,
        "raw_path": endpoint.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        "server": None,
        "state": {OwnRequest.NAME: OwnRequest(key_id)},
    }
