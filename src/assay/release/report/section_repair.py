"""What a repair tried, which of it was chosen, and what that costs on the task."""

from __future__ import annotations

from assay.release.repaired import Repair, Tried
from assay.release.report.html import Html, join, tag
from assay.release.report.marks import outcome_badge
from assay.release.report.source import ReportSource
from assay.release.wording import duration, percent

_WORDS = ("Intervention", "Setting")
_NUMBERS = ("Task", "Gain kept", "Time")


def render_repair(source: ReportSource) -> Html | None:
    """The run that was held, every candidate in a row, and the cost; None of any other run."""
    found = source.repair
    if found is None:
        return None
    told = (found.sentence, found.cost, found.unlearned, _describe_questions(found))
    parts: list[Html] = [tag("p", text, class_="intro") for text in told if text]
    parts.append(_table(found))
    if found.skipped:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in found.skipped.items())
        parts.append(tag("p", f"Not tried. {reasons}.", class_="intro after"))
    return join(parts)


def _describe_questions(found: Repair) -> str:
    counts = found.questions.get("chosen_on")
    if not isinstance(counts, dict):
        return ""
    told = ", ".join(f"{count} of {kind}" for kind, count in counts.items())
    others = found.questions.get("num_confirming")
    shared = found.questions.get("num_shared")
    return (
        f"The table is of the questions that choose ({told}); a candidate that failed on one kind"
        f" was not asked the others. What was chosen is confirmed on {others} other questions, of"
        f" which {shared or 'none'} chose: their results stand below."
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
    outcome = "pass" if one.passes else "fail"
    told = "passes" if one.passes else ", ".join(one.failing) or "no gain"
    kept = 1.0 if one.is_held else one.kept
    return tag(
        "tr",
        tag("th", "as it was held" if one.is_held else one.intervention, scope="row"),
        tag("td", "" if one.is_held else one.setting),
        tag("td", percent(one.task), class_="number"),
        tag("td", percent(kept), class_="number"),
        tag("td", "–" if one.seconds is None else duration(one.seconds), class_="number"),
        tag("td", outcome_badge(outcome, told)),
        tag("td", tag("span", "chosen", class_="badge pass") if one.is_chosen else None),
        class_="chosen" if one.is_chosen else None,
    )
