"""What a repair tried, which of it was chosen, and what that costs on the task."""

from __future__ import annotations

from assay.release.repaired import Repair, Tried
from assay.release.report.html import Html, join, tag
from assay.release.report.source import ReportSource
from assay.release.wording import duration, percent

_WORDS = ("Intervention", "Setting")
_NUMBERS = ("Task", "Gain kept", "Time")


def render_repair(source: ReportSource) -> Html | None:
    """The run that was held, every candidate in a row, and the cost; None of any other run."""
    found = source.repair
    if found is None:
        return None
    parts = [tag("p", found.sentence, class_="intro")]
    parts += [tag("p", found.cost, class_="intro")] if found.cost else []
    parts.append(_table(found))
    parts.append(tag("p", _describe_questions(found), class_="intro"))
    if found.skipped:
        rows = join(tag("li", f"{name}: {reason}") for name, reason in found.skipped.items())
        parts.append(tag("div", tag("p", "Not tried:"), tag("ul", rows)))
    return join(parts)


def _describe_questions(found: Repair) -> str:
    counts = found.questions.get("chosen_on")
    if not isinstance(counts, dict):
        return ""
    told = ", ".join(f"{count} of {kind}" for kind, count in counts.items())
    others = found.questions.get("num_confirming")
    shared = found.questions.get("num_shared")
    return (
        f"Chosen on {told}; confirmed once on {others} other questions, of which {shared} chose."
        " Scores in the table are of the questions that chose, and confirm nothing."
    )


def _table(found: Repair) -> Html:
    head = tag(
        "tr",
        *(tag("th", title, scope="col") for title in _WORDS),
        *(tag("th", title, scope="col", class_="number") for title in _NUMBERS),
        tag("th", "Gates", scope="col"),
        tag("th", "", scope="col"),
    )
    body = tag("tbody", join(map(_row, found.tried)))
    return tag("div", tag("table", tag("thead", head), body, class_="candidates"), class_="scroll")


def _row(one: Tried) -> Html:
    outcome = ("passes", "pass") if one.passes else (", ".join(one.failing) or "no gain", "fail")
    return tag(
        "tr",
        tag("th", "as it was held" if one.is_held else one.intervention, scope="row"),
        tag("td", one.setting),
        tag("td", percent(one.task), class_="number"),
        tag("td", percent(one.kept), class_="number"),
        tag("td", "–" if one.seconds is None else duration(one.seconds), class_="number"),
        tag("td", tag("span", outcome[0], class_=f"badge {outcome[1]}")),
        tag("td", tag("span", "chosen", class_="badge pass") if one.is_chosen else None),
    )
