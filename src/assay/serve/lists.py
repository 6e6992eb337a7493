"""Lists as OpenAI's client pages through them: `has_more` is always said, so that it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.runs.store.pages import Page
from assay.serve.errors import not_found


def render_list(
    page: Page[Any] | None, render: Callable[[Any], dict[str, Any]], *, after: str | None
) -> dict[str, Any]:
    """A page in the client's form.

    Raises:
        ApiError: 404 where `after` is no id (a page of None).
    """
    if page is None:
        raise not_found("cursor", after or "", param="after")
    data = [render(row) for row in page.rows]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": page.has_more,
    }
