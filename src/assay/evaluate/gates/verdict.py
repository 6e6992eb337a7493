"""The verdict over all gates: released or held, and the first line of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.evaluate.gates.result import GateResult


@dataclass(frozen=True)
class Verdict:
    """`failed` and `not_measured` name the required gates that hold the release.

    `uncalibrated` names the gates whose bound was not set on benign runs of this base.
    """

    status: Literal["released", "held"]
    headline: str
    failed: list[str]
    not_measured: list[str]
    uncalibrated: list[str]

    def to_dict(self) -> dict[str, Any]:
        """``{"status", "headline", "failed", "not_measured", "uncalibrated"}``."""
        return {
            "status": self.status,
            "headline": self.headline,
            "failed": self.failed,
            "not_measured": self.not_measured,
            "uncalibrated": self.uncalibrated,
        }


def decide_verdict(gates: Sequence[GateResult]) -> Verdict:
    """Released when every required gate passed and there is one; not measured is not passed."""
    required = [gate for gate in gates if gate.required]
    failed = [gate.name for gate in required if gate.outcome == "fail"]
    unmeasured = [gate.name for gate in required if gate.outcome == "not_measured"]
    released = bool(required) and not failed and not unmeasured
    parts = [_describe_prompting(gates), _describe_status(required, failed, unmeasured)]
    uncalibrated = [gate.name for gate in gates if gate.uncalibrated]
    parts += [_describe_advisory(gates), _describe_uncalibrated(uncalibrated)]
    headline = " ".join(part for part in parts if part)
    return Verdict("released" if released else "held", headline, failed, unmeasured, uncalibrated)


def _describe_prompting(gates: Sequence[GateResult]) -> str:
    """First of all whether mere prompting would do, for then the tuning was not needed."""
    for gate in gates:
        if _is_told_first(gate):
            shown = gate.statistic is not None and gate.statistic > 0
            how = "is not shown to beat" if shown else "does not beat"
            return f"Fine-tuning {how} prompting alone."
    return ""


def _describe_status(
    required: Sequence[GateResult], failed: Sequence[str], unmeasured: Sequence[str]
) -> str:
    if not required:
        return "Held: no required gate was judged."
    if not failed and not unmeasured:
        return f"Released: all {len(required)} required gates passed."
    parts = [f"failed {', '.join(failed)}"] if failed else []
    parts += [f"not measured {', '.join(unmeasured)}"] if unmeasured else []
    return f"Held: {'; '.join(parts)}."


def _describe_advisory(gates: Sequence[GateResult]) -> str:
    names = [
        f"{gate.name} ({'failed' if gate.outcome == 'fail' else gate.code or 'not measured'})"
        for gate in gates
        if not gate.required
        and gate.outcome != "pass"
        and gate.code != "not_applicable"
        and not _is_told_first(gate)
    ]
    return f"Advisory: {', '.join(names)}." if names else ""


def _describe_uncalibrated(names: Sequence[str]) -> str:
    return f"Uncalibrated on this base: {', '.join(names)}." if names else ""


def _is_told_first(gate: GateResult) -> bool:
    return gate.name == "prompting_gain" and gate.outcome == "fail"
