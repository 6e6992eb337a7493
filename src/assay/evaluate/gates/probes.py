"""Gates on what probes read: no loss, no event, or a statistic within its bound.

A gate of a probe is data: which probe, which of three tests, its bound and the fewest readings.

* ``no_loss``: readings are scores, judged by the rule of `no_loss`; `bound` is the margin.
* ``no_event``: a reading of 1 is a bad event. Fails when the tuned model has more than `bound`
  events where the base has none; else passes from `min_items` readings on. None in n says that the
  rate is below about 3/n at 95 %, which the reason states.
* ``at_most``: the probe's statistic, or else the mean of tuned − base, is at most `bound`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assay.evaluate.gates.no_loss import Limits, judge_loss
from assay.evaluate.gates.policy import Thresholds
from assay.evaluate.gates.probe_gate import ProbeGate
from assay.evaluate.gates.result import (
    Gap,
    GateResult,
    find_gap,
    is_finite,
    not_measured,
)

MAX_WORST = 240
"""Characters of the worst finding that a reason takes up."""


def judge_probe(
    name: str,
    gate: ProbeGate,
    summary: Mapping[str, Any] | None,
    *,
    required: bool,
    thresholds: Thresholds,
    level: float,
) -> GateResult:
    """The gate's outcome from its probe's part of evaluation.json (see `summarise_probe`).

    `level` is what a no-loss test is made at (see `no_loss`); the other tests have their bounds.

    What does not apply to a model (it has no tools) is shown and holds nothing.
    """
    if not summary:
        reason = f"The probe {gate.probe} was not run."
        return not_measured(name, Gap("missing", reason), required=required)
    if summary.get("not_measured"):
        code = "not_applicable" if summary.get("not_applicable") else "missing"
        gap = Gap(code, str(summary["not_measured"]), summary.get("n"))
        return not_measured(name, gap, required=required and code == "missing")
    if gate.test == "no_loss":
        limits = Limits(gate.bound, level, thresholds.resolution)
        return _judge_no_loss(name, gate, summary, required, thresholds, limits)
    judge = _judge_no_event if gate.test == "no_event" else _judge_at_most
    return judge(name, gate, summary, required, thresholds)


def _judge_no_loss(
    name: str,
    gate: ProbeGate,
    summary: Mapping[str, Any],
    required: bool,
    thresholds: Thresholds,
    limits: Limits,
) -> GateResult:
    comparison = summary["comparisons"]["tuned_vs_base"]
    gap = find_gap(comparison, replace(thresholds, min_items=gate.min_items))
    if gap is not None:
        return not_measured(name, gap, required=required)
    result = judge_loss(name, gate.noun, gate.meaning, comparison, limits, required=required)
    return _show_worst(result, summary)


def _show_worst(result: GateResult, summary: Mapping[str, Any]) -> GateResult:
    """A failed gate names the worst of what was found; the report has the rest."""
    evidence = summary.get("evidence") or []
    if result.outcome != "fail" or not evidence or not evidence[0].get("what"):
        return result
    worst = str(evidence[0]["what"])
    shown = worst if len(worst) <= MAX_WORST else f"{worst[:MAX_WORST]}…"
    return replace(result, reason=f"{result.reason} The worst: {shown}")


def _judge_no_event(
    name: str, gate: ProbeGate, summary: Mapping[str, Any], required: bool, thresholds: Thresholds
) -> GateResult:
    events = summary.get("events") or {}
    if not events:
        gap = Gap("missing", "No reading says whether an event happened.", summary.get("n"))
        return not_measured(name, gap, required=required)
    n, new, upper = int(events["n"]), int(events["new"]), float(events["upper"])
    fails = new > gate.bound
    hidden = _find_gap(summary, gate, thresholds)
    if hidden is not None and not fails:
        return not_measured(name, hidden, required=required)
    confidence = f"{100 * thresholds.confidence:g} %"
    seen = f"{new} of {n} where the base has none" if new else f"none in {n}"
    bounded = f"at {confidence} confidence its rate is below {100 * upper:.2g} %"
    told = gate.meaning if fails else f"{gate.noun[0].upper()}{gate.noun[1:]}"
    result = GateResult(
        name,
        "fail" if fails else "pass",
        required,
        f"{told}: {seen}; {bounded}.",
        statistic=new / n,
        interval=(0.0, upper),
        threshold=gate.bound / n,
        n=n,
    )
    return _show_worst(result, summary)


def _find_gap(summary: Mapping[str, Any], gate: ProbeGate, thresholds: Thresholds) -> Gap | None:
    """Why the readings are too few to speak; what could not be scored may hide the worst."""
    total, unscored = int(summary.get("n") or 0), int(summary.get("num_unscored") or 0)
    n = total - unscored
    if n < gate.min_items:
        reason = f"Only {n} were looked at; the policy asks for {gate.min_items}."
        return Gap("too_few_items", reason, n)
    if unscored > thresholds.max_unscored_ratio * total:
        reason = f"{unscored} of {total} could not be scored and could hide what is looked for."
        return Gap("unscored", reason, n)
    return None


def _judge_at_most(
    name: str, gate: ProbeGate, summary: Mapping[str, Any], required: bool, thresholds: Thresholds
) -> GateResult:
    value = summary.get("statistic")
    if value is None:
        value = summary["comparisons"]["tuned_vs_base"].get("difference")
    n = int(summary.get("n") or 0) - int(summary.get("num_unscored") or 0)
    gap = _find_gap(summary, gate, thresholds)
    if gap is not None:
        return not_measured(name, gap, required=required)
    if not is_finite(value):
        gap = Gap("missing", "There is no finite statistic.", n)
        return not_measured(name, gap, required=required)
    passed = value <= gate.bound
    noun = f"{gate.noun[0].upper()}{gate.noun[1:]}"
    told = f"{noun}: {value:.3g} over {n}, at most {gate.bound:g}."
    if not passed:
        told = f"{gate.meaning} ({gate.noun}: {value:.3g} over {n}, above {gate.bound:g})."
    result = GateResult(
        name,
        "pass" if passed else "fail",
        required,
        told,
        statistic=float(value),
        threshold=gate.bound,
        n=n,
    )
    return _show_worst(result, summary)
