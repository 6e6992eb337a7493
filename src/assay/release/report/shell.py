"""The shell of a page: policy, style, script, navigation; it knows no section.

The content security policy admits exactly one style and one script, by hash, and no request.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from assay.release.report.html import Html, join, tag
from assay.release.report.marks import wordmark


class Section(NamedTuple):
    """A part of the page: its anchor, its heading and what it holds."""

    key: str
    title: str
    body: Html


def render_shell(
    title: str,
    sections: Sequence[Section],
    *,
    style: str,
    script: str,
    data: Html,
    kind: str,
) -> str:
    """Put a page together; the first section is the one whose heading is its own.

    Args:
        title: of the browser's tab.
        data: JSON for the script, from `embed_json`.
        kind: style class of the page's body of sections.
    """
    first = sections[0]
    main = join(_section(one, is_first=one is first) for one in sections)
    body = tag(
        "body",
        tag("a", f"Skip to the {first.title.lower()}", href=f"#{first.key}", class_="skip"),
        _header(sections),
        tag("main", main, class_=kind),
        tag("script", data, type="application/json", id="page-data"),
        tag("script", Html(script)),
    )
    head = _head(title, style, script)
    return f'<!doctype html>\n<html lang="en">\n{head}\n{body}\n</html>\n'


def embed_json(value: Any) -> Html:
    """A value as JSON that cannot end its script element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    safe = text.replace("<", "\\u003c").replace("&", "\\u0026")
    return Html(safe.encode("utf-8", "replace").decode("utf-8"))


def read_asset(name: str, *, package: str = "assay.release.report") -> str:
    """A file of a package's folder `static`."""
    return (files(package) / "static" / name).read_text(encoding="utf-8")


def _head(title: str, style: str, script: str) -> Html:
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="generator", content="Assay"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Html(style)),
    )


def _header(sections: Sequence[Section]) -> Html:
    links = join(tag("a", one.title, href=f"#{one.key}") for one in sections)
    themes = join(
        tag("button", label, type="button", data_theme=theme, aria_pressed="false")
        for theme, label in (("auto", "Auto"), ("light", "Light"), ("dark", "Dark"))
    )
    return tag(
        "header",
        tag(
            "div",
            wordmark(),
            tag("nav", links, aria_label="Sections"),
            tag("div", themes, class_="themes", role="group", aria_label="Theme", hidden=True),
            class_="bar",
        ),
    )


def _section(section: Section, *, is_first: bool) -> Html:
    heading = None if is_first else tag("h2", section.title)
    return tag("section", heading, section.body, id=section.key, aria_label=section.title)


def _hash(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
