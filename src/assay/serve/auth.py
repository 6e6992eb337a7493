"""Who asks: the key of a request, what it may do, and how often; it stores no secret.

A route takes ``Depends(require("train"))`` and is given the `Principal`. The body is not read
before that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request

from assay.runs.store import Key, Store, find_key, find_key_by_id
from assay.serve.errors import ApiError
from assay.serve.own import find_own

_SCHEME = "bearer"
MAX_KEY_CHARS = 512


@dataclass(frozen=True)
class Principal:
    """The key behind a request."""

    key: Key

    @property
    def id(self) -> str:
        return self.key.id

    @property
    def project(self) -> str:
        return self.key.project

    def allows(self, scope: str) -> bool:
        return self.key.allows(scope)


@dataclass
class RateLimits:
    """Requests of each key over the last minute, as buckets that fill evenly; of this process."""

    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, key_id: str, per_minute: int) -> float:
        """Count a request; 0, or the seconds to wait where there were too many."""
        with self._lock:
            now = self.clock()
            left, then = self._buckets.get(key_id, (float(per_minute), now))
            left = min(float(per_minute), left + (now - then) * per_minute / 60)
            if left < 1:
                self._buckets[key_id] = (left, now)
                return (1 - left) * 60 / per_minute
            self._buckets[key_id] = (left - 1, now)
            return 0.0


def require(*scopes: str) -> Callable[[Request], Principal]:
    """A dependency that gives the request's principal, if its key has one of `scopes`.

    Raises:
        ApiError: 401 without a key that is known, 403 without the scope, 429 beyond a limit.
    """

    def depend(request: Request) -> Principal:
        store: Store = request.app.state.store
        limits: RateLimits = request.app.state.rate_limits
        own = find_own(request)
        if own is None:
            key = authenticate(store, request.headers.get("authorization"))
        else:
            key = _check_valid(find_key_by_id(store, own.key_id))
        request.state.key_id = key.id
        if not any(map(key.allows, scopes)):
            needed = " or ".join(scopes)
            raise ApiError(403, f"This key has no scope {needed}.", code="insufficient_scope")
        _check_limits(key, limits, is_own=own is not None)
        return Principal(key)

    return depend


def authenticate(store: Store, header: str | None) -> Key:
    """The key that an Authorization header names.

    Raises:
        ApiError: 401 where it names none that is valid.
    """
    scheme, _, secret = (header or "").partition(" ")
    if scheme.lower() != _SCHEME or not secret.strip():
        message = "No API key: send one as `Authorization: Bearer KEY`."
        raise _deny(message, "missing_api_key")
    known = find_key(store, secret.strip()) if len(secret) <= MAX_KEY_CHARS else None
    return _check_valid(known)


def _check_valid(key: Key | None) -> Key:
    if key is None:
        raise _deny("The API key is not known here, or was revoked.", "invalid_api_key")
    if key.is_expired(time.time()):
        raise _deny("The API key has expired.", "expired_api_key")
    return key


def _deny(message: str, code: str) -> ApiError:
    return ApiError(401, message, code=code, headers={"www-authenticate": "Bearer"})


def _check_limits(key: Key, limits: RateLimits, *, is_own: bool) -> None:
    # The lines of a batch are no requests that its key sends; their tokens count.
    if key.requests_per_minute and not is_own:
        wait_s = limits.take(key.id, key.requests_per_minute)
        if wait_s:
            raise limit_reached("requests a minute of this key", wait_s)
    if key.token_budget is not None and key.tokens_used >= key.token_budget:
        raise ApiError(
            429,
            "The token budget of this key is used up.",
            code="insufficient_quota",
            kind="insufficient_quota",
            headers={"x-should-retry": "false"},
        )


def limit_reached(what: str, wait_s: float) -> ApiError:
    """Too much at once (429), with the time after which it is worth trying again."""
    milliseconds = max(1, round(wait_s * 1000))
    headers = {
        "retry-after-ms": str(milliseconds),
        "retry-after": str(max(1, round(milliseconds / 1000))),
    }
    return ApiError(429, f"Too many {what}.", code="rate_limit_exceeded", headers=headers)
