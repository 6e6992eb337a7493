"""Whether a request is one that the client sends again; its headers say so."""

from __future__ import annotations

from fastapi import Request

RETRY_HEADER = "x-stainless-retry-count"


def is_retry(request: Request) -> bool:
    """Whether OpenAI's client marks it as a repetition."""
    return request.headers.get(RETRY_HEADER, "0").strip() not in ("", "0")
