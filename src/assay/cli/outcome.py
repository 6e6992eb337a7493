"""What `assay run` prints at its end: the comparison, the gates, the verdict and where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.release import read_gates, wording
from assay.release.measured import read_suites

if TYPE_CHECKING:
    from assay.pipeline import RunOutcome
    from assay.release.gates import Gate
    from assay.release.measured import Suite

ARM_TITLES = {"base": "base, zero-shot", "prompted": "base, prompted", "tuned": "tuned"}
_BADGES = {"pass": "pass", "fail": "FAIL", "not_measured": "not measured"}


def render_outcome(outcome: RunOutcome) -> str:
    """The end of a run as lines for a terminal."""
    suites = read_suites(outcome.evaluation)
    gates = read_gates(outcome.verdict)
    blocks = [
        "\n".join(_suite_lines(suite) for suite in suites),
        "\n".join(["gates", *map(_gate_line, gates)]),
        f"{outcome.verdict['status'].upper()}: {outcome.verdict['headline']}",
        _where(outcome),
    ]
    return "\n\n".join(["", *blocks])


def _suite_lines(suite: Suite) -> str:
    lines = [f"{suite.name} ({wording.items(suite)}, {suite.metric})"]
    for arm, title in ARM_TITLES.items():
        found = suite.arms.get(arm)
        if found is None:
            continue
        shots = f" ({found.shots} shots)" if found.shots is not None else ""
        lines.append(f"  {title + shots:<26} {wording.measured(found)}")
    for title, gain in (
        ("tuned over base", suite.vs_base),
        ("tuned over prompted", suite.vs_prompted),
    ):
        if gain is not None:
            lines.append(f"  {title:<26} {wording.gain(gain)}")
    return "\n".join(lines)


def _gate_line(gate: Gate) -> str:
    weight = "" if gate.required else " (advisory)"
    return f"  {_BADGES[gate.outcome]:<13}{gate.name}{weight}: {gate.reason}"


def _where(outcome: RunOutcome) -> str:
    lines = [f"report   {outcome.run.report}"]
    if outcome.signer:
        lines += [
            f"signed   {outcome.signer}",
            f"verify   assay release verify {outcome.run.path}",
            f"talk     assay chat {outcome.run.path}",
        ]
    return "\n".join(lines)
