"""A tiny HTML writer that escapes by default; knows no page and no style.

Texts of models and data are hostile until escaped: `tag` escapes every plain string, and only
`Html` goes through as it is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_VOID = {"meta", "link", "br", "hr", "col"}
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Html(str):
    """Markup that is already escaped."""

    __slots__ = ()


Child = Html | str | None


def escape(text: str) -> Html:
    """Escape `text` for element content and quoted attributes.

    Control characters, lone surrogates and marks that turn the writing direction (which can make
    a text read other than it is) are shown as their code points.
    """
    return Html(html.escape(_INVISIBLE.sub(_show, text), quote=True))


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """Write an element. ``class_`` is class, ``data_x`` is data-x; None and False are left out."""
    opening = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    if name in _VOID:
        return Html(opening)
    return Html(f"{opening}{join(children)}</{name}>")


def join(children: Iterable[Child], *, between: str = "") -> Html:
    """Put children one after another, escaping those that are plain text."""
    parts = (child if isinstance(child, Html) else escape(child) for child in children if child)
    return Html(between.join(parts))


def clip(text: str, *, max_chars: int) -> str:
    """Cut a long text and say how much is missing."""
    if len(text) <= max_chars:
        return text
    return f"{text[:max_chars]} … ({len(text) - max_chars:,} more characters)"


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    name = {"viewbox": "viewBox", "preserveaspectratio": "preserveAspectRatio"}.get(name, name)
    if value is True:
        return f" {name}"
    shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f' {name}="{escape(shown)}"'


def _show(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "�" if 0xD800 <= code <= 0xDFFF else f"⟨U+{code:04X}⟩"
