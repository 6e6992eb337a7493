"""Every gate with its outcome, its numbers and its reason; decides nothing."""

from __future__ import annotations

from assay.release import wording
from assay.release.gates import Gate
from assay.release.report.html import Html, join, tag
from assay.release.report.marks import outcome_badge
from assay.release.report.source import ReportSource
from assay.runs.values import dig, text

_ORDER = {"fail": 0, "not_measured": 1, "pass": 2}


def render_gates(source: ReportSource) -> Html:
    """A table of gates: those that hold the release first, then as the policy lists them."""
    if not source.gates:
        return tag("p", "No gate was measured: this run has no verdict.", class_="missing")
    head = tag(
        "tr",
        *(tag("th", title, scope="col") for title in ("Outcome", "Gate")),
        *(
            tag("th", title, scope="col", class_="number")
            for title in ("Measured", "Threshold", "n")
        ),
        tag("th", "Reason", scope="col"),
    )
    ordered = sorted(source.gates, key=lambda gate: (not gate.blocks, _ORDER[gate.outcome]))
    rows = join(_row(gate) for gate in ordered)
    table = tag("table", tag("thead", head), tag("tbody", rows), class_="gates")
    return join([_intro(source), tag("div", table, class_="scroll")])


def _intro(source: ReportSource) -> Html:
    counts = {outcome: sum(gate.outcome == outcome for gate in source.gates) for outcome in _ORDER}
    policy = text(dig(source.recipe, "gates", "policy")) or text(source.recipe.get("gates"))
    told = ", ".join(
        f"{count} {label}"
        for count, label in (
            (counts["pass"], "passed"),
            (counts["fail"], "failed"),
            (counts["not_measured"], "not measured"),
        )
        if count
    )
    named = f"Policy {policy}: " if policy and not policy.startswith("{") else ""
    rule = " Not measured is not passed: a required gate without a measurement holds the release."
    return tag("p", f"{named}{told}.{rule}{_tell_uncalibrated(source)}", class_="intro")


def _tell_uncalibrated(source: ReportSource) -> str:
    """What bounds of another base's runs mean, once for all of them."""
    names = [wording.gate_title(gate.name) for gate in source.gates if gate.uncalibrated]
    if not names:
        return ""
    one = len(names) == 1
    return (
        f" Uncalibrated on {source.base or 'this base'}: {', '.join(names)}. "
        f"{'Its bound was' if one else 'Their bounds were'} not set on good runs of this base, so "
        f"{'it' if one else 'they'} may hold a good run or pass a bad one more often than stated."
    )


def _uncalibrated(gate: Gate) -> Html | None:
    return tag("small", f"Uncalibrated. {gate.uncalibrated}") if gate.uncalibrated else None


def _row(gate: Gate) -> Html:
    name = tag(
        "th",
        tag("strong", wording.gate_title(gate.name)),
        tag("small", "required" if gate.required else "advisory"),
        scope="row",
    )
    interval = (
        tag("small", f"{_number(gate.interval[0])} to {_number(gate.interval[1])}")
        if gate.interval
        else None
    )
    return tag(
        "tr",
        tag("td", outcome_badge(gate.outcome)),
        name,
        tag("td", _number(gate.statistic), interval, class_="number"),
        tag("td", _number(gate.threshold), class_="number"),
        tag("td", wording.plain(gate.n), class_="number"),
        tag("td", gate.reason, _uncalibrated(gate), class_="reason"),
        class_="blocks" if gate.blocks else None,
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}".replace("-", "−")
