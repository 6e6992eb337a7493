"""Where training rows come from and under which licence, and which licences cannot go together."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from assay.data.curate.licences import Licence, find_conflict, find_licence
from assay.data.curate.survey import Origin
from assay.release.data_report.view import spell_unseen
from assay.release.report.html import Html, join, tag
from assay.release.wording import plain

if TYPE_CHECKING:
    from assay.release.data_report.page import DataPage

_HEAD = (
    ("File", None),
    ("Source", None),
    ("Licence", None),
    ("It asks for", None),
    ("Consent", None),
    ("Rows", "number"),
)


def render_origins(page: DataPage) -> Html | None:
    """A line for each file, source, licence and consent; nothing without a training row."""
    origins = page.survey.origins
    if not origins:
        return None
    cells = join(tag("th", name, scope="col", class_=kind) for name, kind in _HEAD)
    body = join(_row(origin, count) for origin, count in origins.items())
    table = tag("table", tag("thead", tag("tr", cells)), tag("tbody", body))
    left = page.survey.num_origins - len(origins)
    more = f"{plain(left)} more are not shown." if left else None
    told = "What rows or their source's settings say; the table of licences is no legal advice."
    return join(
        [
            tag("p", told, class_="intro"),
            _conflicts(origins),
            tag("div", table, class_="scroll"),
            tag("p", more, class_="caption") if more else None,
        ]
    )


def _row(origin: Origin, count: int) -> Html:
    licence = find_licence(origin.licence) if origin.licence else None
    return tag(
        "tr",
        tag("th", origin.file, scope="row"),
        _cell(origin.source),
        tag("td", licence.id) if licence else _cell(origin.licence),
        tag("td", _terms(origin.licence, licence)),
        _cell(origin.consent),
        tag("td", plain(count), class_="number"),
    )


def _cell(text: str) -> Html:
    if not text:
        return tag("td", "not said", class_="missing")
    return tag("td", spell_unseen(text, is_marked=True))


def _terms(name: str, licence: Licence | None) -> str:
    if licence is None:
        return "a licence that the table does not know" if name else "–"
    return ", ".join(sorted(term.replace("_", " ") for term in licence.terms)) or "nothing"


def _conflicts(origins: dict[Origin, int]) -> Html | None:
    known = {find_licence(origin.licence) for origin in origins if origin.licence}
    pairs = combinations(sorted((one for one in known if one), key=lambda one: one.id), 2)
    found = [(a, b, reason) for a, b in pairs if (reason := find_conflict(a, b))]
    if not found:
        return None
    listed = join(tag("li", tag("strong", f"{a.id} and {b.id}"), f": {why}") for a, b, why in found)
    return tag(
        "div", tag("p", "These cannot be passed on together:"), tag("ul", listed), class_="override"
    )
