"""Shows which characters of a text are trained; knows no tokens and no HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

OPEN, CLOSE = "⟦", "⟧"


def split_marked(text: str, spans: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """`text` in parts `{"text", "trained"}` that join to it again. Nothing is escaped.

    Args:
        spans: trained characters `[start, end)`, in order, without overlap.
    """
    parts: list[dict[str, Any]] = []
    position = 0
    for start, end in spans:
        parts.append({"text": text[position:start], "trained": False})
        parts.append({"text": text[start:end], "trained": True})
        position = end
    parts.append({"text": text[position:], "trained": False})
    return [part for part in parts if part["text"]]


def render_marked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """`text` with ⟦ and ⟧ around what is trained."""
    return "".join(
        f"{OPEN}{part['text']}{CLOSE}" if part["trained"] else part["text"]
        for part in split_marked(text, spans)
    )
