"""The shell of the page: policy, style, script, navigation and the order of sections.

The content security policy admits exactly one style and one script, by hash, and no request.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from assay.release.report.charts import chart_data
from assay.release.report.html import Html, join, tag
from assay.release.report.marks import wordmark
from assay.release.report.section_data import render_data
from assay.release.report.section_gates import render_gates
from assay.release.report.section_items import render_items
from assay.release.report.section_mask import render_mask
from assay.release.report.section_origin import render_origin
from assay.release.report.section_results import render_classes, render_results
from assay.release.report.section_sweep import render_sweep
from assay.release.report.section_training import render_training
from assay.release.report.section_verdict import render_verdict
from assay.release.report.source import ReportSource
from assay.release.wording import STATUS_LABELS

_SECTIONS = (
    ("verdict", "Verdict", render_verdict),
    ("results", "Results", render_results),
    ("gates", "Gates", render_gates),
    ("classes", "Classes", render_classes),
    ("items", "Examples", render_items),
    ("training", "Training", render_training),
    ("sweep", "Sweep", render_sweep),
    ("mask", "Trained text", render_mask),
    ("data", "Data", render_data),
    ("origin", "Origin", render_origin),
)


def render_page(source: ReportSource) -> str:
    """Put the page together; a section that has nothing to say at all is left out."""
    bodies = [(key, title, render(source)) for key, title, render in _SECTIONS]
    shown = [(key, title, body) for key, title, body in bodies if body]
    main = join(_section(key, title, body) for key, title, body in shown)
    head = _head(f"{source.name}: {STATUS_LABELS.get(source.status, source.status)} · Assay")
    body = tag(
        "body",
        tag("a", "Skip to the verdict", href="#verdict", class_="skip"),
        _header(source, [(key, title) for key, title, _ in shown]),
        tag("main", main, class_=f"status-{source.status or 'none'}"),
        tag("script", chart_data(source.metrics), type="application/json", id="chart-data"),
        tag("script", Html(_asset("report.js"))),
    )
    return f'<!doctype html>\n<html lang="en">\n{head}\n{body}\n</html>\n'


def _head(title: str) -> Html:
    style = _asset("report.css")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(_asset('report.js'))}; "
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


def _header(source: ReportSource, sections: list[tuple[str, str]]) -> Html:
    links = join(tag("a", title, href=f"#{key}") for key, title in sections)
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


def _section(key: str, title: str, body: Html) -> Html:
    heading = None if key == "verdict" else tag("h2", title)
    return tag("section", heading, body, id=key, aria_label=title)


def _asset(name: str) -> str:
    return (files("assay.release.report") / "static" / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
