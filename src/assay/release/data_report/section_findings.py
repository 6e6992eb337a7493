"""The frame of the findings: filters, list and row viewer, which the page's script fills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.release.report.html import Html, join, tag
from assay.release.wording import plain

if TYPE_CHECKING:
    from assay.release.data_report.page import DataPage


def render_findings(page: DataPage) -> Html:
    """The frame, and how many findings and rows the page leaves out."""
    if not page.shown:
        return tag("p", "No rule found anything.")
    return join(
        [
            tag("p", _tell_left_out(page), class_="intro"),
            tag("p", "The list needs the page's script.", class_="missing", id="no-script"),
            _filters(page),
            tag(
                "div",
                tag(
                    "div",
                    tag("p", id="found", class_="caption", role="status"),
                    tag("ol", id="list", class_="list"),
                    tag("button", "Show more", type="button", id="more", hidden=True),
                    class_="listed",
                ),
                tag("div", id="viewer", class_="viewer", aria_live="polite", tabindex="-1"),
                class_="browser",
                hidden=True,
            ),
        ]
    )


def _tell_left_out(page: DataPage) -> str:
    total = sum(count["findings"] for count in page.checked.counts.values())
    left = total - len(page.shown)
    told = f"{plain(len(page.shown))} findings"
    if left:
        told += (
            f" of {plain(total)}: errors first, the rules in turn; {plain(left)} more are in the"
            " JSON output"
        )
    rows = len({one.number for one in page.shown})
    with_text = len(page.survey.rows)
    if with_text < rows:
        told += f". {plain(with_text)} of their {plain(rows)} rows can be looked at here"
    return f"{told}."


def _filters(page: DataPage) -> Html:
    rules = sorted({one.rule for one in page.shown})
    parts = sorted({one.part for one in page.shown})
    return tag(
        "form",
        _select("rule", "Rule", "all rules", rules),
        _select("severity", "Severity", "all severities", ["error", "warning", "info"]),
        _select("part", "Part", "all parts", parts) if len(parts) > 1 else None,
        tag(
            "label",
            "Search",
            tag("input", type="search", name="search", placeholder="place, text, evidence"),
        ),
        tag("button", "Clear", type="reset"),
        id="filters",
        class_="filters",
        hidden=True,
    )


def _select(name: str, label: str, everything: str, values: list[str]) -> Html:
    options = [tag("option", everything, value="")]
    options += [tag("option", value, value=value) for value in values]
    return tag("label", label, tag("select", join(options), name=name))
