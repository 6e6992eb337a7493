"""What surrounds every request: its id, its log line, limits of size and time, and bugs of ours.

Neither bodies nor keys are logged.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.runs.store.ids import new_id
from assay.serve.errors import ApiError, build_failure_response, build_response

log = logging.getLogger("assay.serve")
_PARTS = re.compile(r"/v1/uploads/[^/]+/parts")
_FORM_BYTES = 64 * 1024
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class Limits:
    """Of a request: bytes of its body, of an uploaded file, of one uploaded in parts, of such a
    part, seconds between two pieces of a body, and bytes a second that it must come with over more
    than those; and seconds that a stored completion is kept, 0 to store none.
    """

    body_bytes: int = 16 * 1024**2
    file_bytes: int = 512 * 1024**2
    upload_bytes: int = 8 * 1024**3
    part_bytes: int = 64 * 1024**2
    idle_s: float = 60.0
    slowest_bytes_per_s: int = 1024
    retention_s: float = 30 * 86_400.0


Observe = Callable[[Scope, int, float], None]
"""Told of each request when it ended: its scope, status and seconds."""


@dataclass(frozen=True)
class Surrounded:
    """An ASGI application within these limits; forms with files may be larger than other bodies."""

    app: ASGIApp
    limits: Limits
    observe: Observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _choose_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.monotonic(), 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {
                    **message,
                    "headers": [
                        *message.get("headers", []),
                        (b"x-request-id", request_id.encode()),
                    ],
                }
            await send(message)

        try:
            await self.app(scope, self._limit(scope, receive), send_named)
        except ApiError as error:
            if not status:
                await build_response(error)(scope, receive, send_named)
        except Exception as error:
            # Whatever it is, the client gets the envelope, and the log the traceback.
            log.exception("request failed", extra={"request_id": request_id})
            if not status:
                await build_failure_response(error)(scope, receive, send_named)
        finally:
            self.observe(scope, status, time.monotonic() - began)

    def _find_most(self, path: str) -> int:
        """Bytes of a body; beside the file itself a form has its borders and other fields."""
        if path == "/v1/files":
            return self.limits.file_bytes + _FORM_BYTES
        if _PARTS.fullmatch(path):
            return self.limits.part_bytes + _FORM_BYTES
        return self.limits.body_bytes

    def _limit(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` that ends a body which is too large, or comes too slowly."""
        most = self._find_most(scope["path"].rstrip("/"))
        told = dict(scope["headers"]).get(b"content-length", b"0")
        announced = int(told) if told.isdigit() else 0
        seen, waited_s, ended = 0, 0.0, False

        async def limited() -> Message:
            nonlocal seen, waited_s, ended
            if announced > most:
                raise _too_large(most)
            if ended:
                return await receive()
            # Single pieces in time are not enough: a byte a minute would hold a place for ever.
            left_s = self.limits.idle_s + seen / self.limits.slowest_bytes_per_s - waited_s
            began = time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), min(self.limits.idle_s, left_s))
            except TimeoutError as error:
                raise _too_slow(self.limits) from error
            waited_s += time.monotonic() - began
            seen += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if seen > most:
                raise _too_large(most)
            return message

        return limited


def _too_slow(limits: Limits) -> ApiError:
    text = (
        f"The body came too slowly: nothing for {limits.idle_s:g} seconds, or less than"
        f" {limits.slowest_bytes_per_s:,} bytes a second."
    )
    return ApiError(408, text, code="request_timeout", headers={"x-should-retry": "false"})


def _too_large(most: int) -> ApiError:
    return ApiError(413, f"The body is larger than {most:,} bytes.", code="request_too_large")


def _choose_id(scope: Scope) -> str:
    """The client's own id where it sent one that is fit for a log."""
    given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return given if _CLIENT_ID.fullmatch(given) else new_id("req_")
