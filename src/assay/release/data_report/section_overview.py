"""The head of the page: verdict, rows by part, and what each rule found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.data.curate import Checked, list_rules
from assay.release.report.html import Html, join, tag
from assay.release.wording import plain

if TYPE_CHECKING:
    from assay.release.data_report.page import DataPage

_TOLD = {
    "clean": ("Clean", "No rule found an error or a warning."),
    "warnings": ("Warnings", "Nothing that stops a run; some rows are worth a look."),
    "refused": (
        "Refused",
        "A run would refuse these data until the errors are mended or accepted.",
    ),
}
_ORDER = ("error", "warning", "info")
_MARKS = {
    "error": ("M4 4 L12 12 M12 4 L4 12", "fail"),
    "warning": ("M8 3.5 V9 M8 11.6 V12.4", "not_measured"),
    "info": ("M8 7 V12.5 M8 3.6 V4.4", "info"),
}


def render_overview(page: DataPage) -> Html:
    """Verdict, facts, counts by rule, and what was not measured."""
    checked = page.checked
    title, told = _TOLD[checked.verdict]
    return join(
        [
            tag("p", "Check of data", class_="over"),
            tag("h1", title),
            tag("p", told, class_="headline"),
            tag("p", page.title, class_="subject"),
            _facts(checked),
            _counts(checked),
            _unmeasured(checked),
        ]
    )


def severity_badge(severity: str) -> Html:
    """A severity: icon and word, so that colour alone never tells."""
    mark, kind = _MARKS[severity]
    icon = tag("svg", tag("path", d=mark), viewbox="0 0 16 16", aria_hidden="true")
    return tag("span", icon, severity, class_=f"badge {kind}")


def _facts(checked: Checked) -> Html:
    facts = [(f"rows of {part}", plain(count), "") for part, count in checked.num_rows.items()]
    for severity in _ORDER:
        rules = [rule for rule in checked.counts if _severity(checked, rule) == severity]
        number = sum(checked.counts[rule]["findings"] for rule in rules)
        noun = {"error": "errors", "warning": "warnings", "info": "notes"}[severity]
        facts.append((noun, plain(number), f"of {len(rules)} rules" if rules else ""))
    shown = (
        tag(
            "div",
            tag("dt", name),
            tag("dd", value, class_="value"),
            tag("dd", note, class_="note") if note else None,
        )
        for name, value, note in facts
    )
    return tag("dl", join(shown), class_="facts")


def _counts(checked: Checked) -> Html:
    if not checked.counts:
        return tag("p", "No rule found anything.")
    most = max(count["rows"] for count in checked.counts.values())
    ordered = sorted(checked.counts, key=lambda rule: _ORDER.index(_severity(checked, rule)))
    body = join(_count(checked, rule, most) for rule in ordered)
    names = (("Rule", None), ("Severity", None), ("Findings", "number"), ("Rows", "number"))
    head = join(
        [
            *(tag("th", name, scope="col", class_=kind) for name, kind in names),
            tag("th", tag("span", "Share of the most", class_="sr"), scope="col"),
            tag("th", "A plan would", scope="col"),
        ]
    )
    table = tag("table", tag("thead", tag("tr", head)), tag("tbody", body), class_="counts")
    return join([tag("h3", "By rule"), tag("div", table, class_="scroll")])


def _count(checked: Checked, rule: str, most: int) -> Html:
    count, known = checked.counts[rule], list_rules()[rule]
    accepted = rule in checked.accepted
    bar = tag(
        "svg",
        tag("rect", x=0, y=0, width=max(100 * count["rows"] / most, 1.0), height=8),
        viewbox="0 0 100 8",
        preserveaspectratio="none",
        class_="share",
        aria_hidden="true",
    )
    meaning = tag("small", known.meaning)
    return tag(
        "tr",
        tag("th", tag("a", rule, href="#findings", data_rule=rule), meaning, scope="row"),
        tag("td", severity_badge(_severity(checked, rule)), "accepted" if accepted else None),
        tag("td", plain(count["findings"]), class_="number"),
        tag("td", plain(count["rows"]), class_="number"),
        tag("td", bar),
        tag("td", checked.settings[rule].action),
    )


def _severity(checked: Checked, rule: str) -> str:
    return checked.settings[rule].severity or "info"


def _unmeasured(checked: Checked) -> Html | None:
    if not checked.not_measured:
        return None
    reasons: dict[str, list[str]] = {}
    for rule, why in checked.not_measured.items():
        reasons.setdefault(why, []).append(rule)
    listed = join(
        tag("li", tag("strong", ", ".join(rules)), f": {why}") for why, rules in reasons.items()
    )
    title = f"Not measured: {len(checked.not_measured)} rules"
    return join([tag("h3", title), tag("ul", listed, class_="unmeasured")])
