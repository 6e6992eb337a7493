"""What `assay run` prints at its end, and `assay runs show` later: the comparison and the gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.cli.swept import render_sweep
from assay.evaluate.scorers import PAIR_ACCURACY, STEP_ACCURACY
from assay.release import read_gates, wording
from assay.release.measured import read_suites
from assay.release.swept import read_sweep
from assay.runs.values import mapping, sequence, text

if TYPE_CHECKING:
    from assay.pipeline import RunOutcome
    from assay.release.gates import Gate
    from assay.release.measured import Suite

_MAX_EVIDENCE = 5
_BADGES = {"pass": "pass", "fail": "FAIL", "not_measured": "not measured"}


def render_outcome(outcome: RunOutcome) -> str:
    """The end of a run as lines for a terminal."""
    tried = read_sweep(outcome.run)
    blocks = [
        *([render_sweep(tried)] if tried else []),
        *render_measured(outcome.evaluation, outcome.verdict),
        f"{outcome.verdict['status'].upper()}: {outcome.verdict['headline']}",
        _where(outcome),
    ]
    return "\n\n".join(["", *blocks])


def render_measured(evaluation: dict[str, Any], verdict: dict[str, Any]) -> list[str]:
    """Every suite with its models, and every gate with its reason; what is missing is left out."""
    suites = "\n".join(map(_suite_lines, read_suites(evaluation)))
    gates = [_gate_line(gate) for gate in read_gates(verdict)]
    found = [suites, "\n".join(["gates", *gates]) if gates else "", _evidence(evaluation)]
    return [block for block in found if block]


def _evidence(evaluation: dict[str, Any]) -> str:
    """The worst things that probes found, a sentence each; all of them are in the report."""
    lines = []
    for name, probe in mapping(evaluation.get("probes")).items():
        shown = sequence(mapping(probe).get("evidence"))
        lines += [f"  {name}: {text(mapping(one).get('what'))}" for one in shown[:_MAX_EVIDENCE]]
        if len(shown) > _MAX_EVIDENCE:
            lines.append(f"  {name}: and {len(shown) - _MAX_EVIDENCE} more")
    return "\n".join(["evidence", *lines]) if lines else ""


def _suite_lines(suite: Suite) -> str:
    rows = [(model.title, wording.measured(model.measured)) for model in suite.models]
    rows += [
        (title, wording.gain(gain))
        for title, gain in (
            ("tuned over base", suite.vs_base),
            ("tuned over prompted", suite.vs_prompted),
        )
        if gain is not None
    ]
    width = max((len(title) for title, _ in rows), default=0)
    lines = [f"{suite.name} ({wording.items(suite)}, {suite.metric})"]
    return "\n".join([*lines, *(f"  {title:<{width}}  {shown}" for title, shown in rows)])


def _gate_line(gate: Gate) -> str:
    weight = "" if gate.required else " (advisory)"
    told = f" Uncalibrated: {gate.uncalibrated}" if gate.uncalibrated else ""
    return f"  {_BADGES[gate.outcome]:<13}{gate.name}{weight}: {gate.reason}{told}"


def _where(outcome: RunOutcome) -> str:
    lines = [f"report   {outcome.run.report}"]
    if outcome.signer:
        lines += [
            f"signed   {outcome.signer}",
            f"verify   assay release verify {outcome.run.path}",
        ]
        task = outcome.evaluation.get("suites", {}).get("task", {})
        if task.get("metric") not in (PAIR_ACCURACY, STEP_ACCURACY):
            lines.append(f"talk     assay chat {outcome.run.path}")
    return "\n".join(lines)
