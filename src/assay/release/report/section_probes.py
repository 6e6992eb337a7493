"""What probes found, with what a person needs in order to look for themselves; decides nothing."""

from __future__ import annotations

import json
from typing import Any

from assay.release import wording
from assay.release.gates import Gate
from assay.release.report.html import Html, clip, join, tag
from assay.release.report.marks import outcome_badge
from assay.release.report.source import ReportSource
from assay.runs.values import dig, mapping, number, sequence, text

_MAX_CHARS = 600


def render_probes(source: ReportSource) -> Html | None:
    """One block a probe, those with evidence first; None where no probe was run."""
    probes = {name: mapping(one) for name, one in mapping(source.evaluation.get("probes")).items()}
    if not probes:
        return None
    intro = (
        "Probes look at what no question with a right answer shows: the tuned model beside its"
        " base on the same prompts."
    )
    ordered = sorted(probes.items(), key=lambda pair: not sequence(pair[1].get("evidence")))
    gates = {gate.name: gate for gate in source.gates}
    blocks = [_probe(name, found, gates.get(name)) for name, found in ordered]
    return join([tag("p", intro, class_="intro"), *blocks])


def _probe(name: str, found: dict[str, Any], gate: Gate | None) -> Html:
    """A probe with the outcome of the gate of its name, and that gate's reason for what it is."""
    badge = outcome_badge(gate.outcome) if gate else None
    title = tag("h3", wording.gate_title(name).capitalize(), Html(" "), badge)
    if found.get("not_measured"):
        return join([title, tag("p", text(found["not_measured"]), class_="missing")])
    shown = [_evidence(mapping(one)) for one in sequence(found.get("evidence"))]
    listed = tag("ol", join(shown), class_="evidence") if shown else None
    told = gate.reason if gate and gate.reason else _describe(found)
    return join([title, tag("p", told), listed])


def _describe(found: dict[str, Any]) -> str:
    n = number(found.get("n")) or 0
    parts = [f"{wording.plain(n)} readings"]
    new, upper = number(dig(found, "events", "new")), number(dig(found, "events", "upper"))
    if new is not None and upper is not None:
        parts.append(f"{wording.plain(new)} events of the tuned model alone")
        parts.append(f"rate below {100 * upper:.2g}\u202f%")
    statistic = number(found.get("statistic"))
    if statistic is not None:
        parts.append(f"statistic {wording.plain(statistic)}")
    return f"{'; '.join(parts)}."


def _evidence(one: dict[str, Any]) -> Html:
    rest = {key: value for key, value in one.items() if key != "what"}
    facts = [
        tag("div", tag("dt", key.replace("_", " ")), tag("dd", _value(value)))
        for key, value in rest.items()
    ]
    details = tag("dl", join(facts), class_="evidence-facts") if facts else None
    return tag("li", tag("p", text(one.get("what"))), details)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return clip("\n".join(value), max_chars=_MAX_CHARS)
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clip(shown, max_chars=_MAX_CHARS)
