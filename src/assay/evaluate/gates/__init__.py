"""Gates: evaluation, integrity checks and a policy → outcomes and a verdict; they measure nothing.

Three outcomes, pass, fail and not_measured; a required gate that is not measured holds the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict

from assay.evaluate.gates.calibration import Calibration, describe_uncalibrated
from assay.evaluate.gates.data import judge_data
from assay.evaluate.gates.formats import judge_formats
from assay.evaluate.gates.gain import judge_gain
from assay.evaluate.gates.integrity import judge_integrity
from assay.evaluate.gates.no_loss import Limits, decide_no_loss, judge_no_loss
from assay.evaluate.gates.overfit import judge_overfit
from assay.evaluate.gates.per_suite import adjust_holm, judge_suites
from assay.evaluate.gates.policy import (
    FORMATS,
    GATES,
    Level,
    Policy,
    Thresholds,
    override_thresholds,
)
from assay.evaluate.gates.policy_file import BUILT_IN, load_policy
from assay.evaluate.gates.probe_gate import PROBE_GATES, ProbeGate
from assay.evaluate.gates.probes import judge_probe
from assay.evaluate.gates.result import Gap, GateResult, Outcome, not_measured
from assay.evaluate.gates.verdict import Verdict, decide_verdict
from assay.evaluate.items import GUARDED
from assay.evaluate.suites import PLAIN


class _Asked(TypedDict):
    required: bool
    thresholds: Thresholds
    level: float


def evaluate_gates(
    evaluation: Mapping[str, Any], integrity: Mapping[str, Any], policy: Policy
) -> list[GateResult]:
    """Every gate that the policy does not turn off, in the order of `GATES`.

    `evaluation` is the content of evaluation.json (see `build_evaluation`), with its `base`
    (``{"name", "sha256"}``), which bounds are compared to be of; `integrity` the values
    that `judge_integrity` reads. What is missing there is not measured, never left out. Suites of
    kind task are judged one by one: the first by the plain name, further ones as ``gate/suite``.
    """
    results: list[GateResult] = []
    for gate in GATES:
        level = policy.levels.get(gate, "off")
        if level != "off":
            results += _judge(gate, evaluation, integrity, policy, required=level == "required")
    return results


def _judge(
    gate: str,
    evaluation: Mapping[str, Any],
    integrity: Mapping[str, Any],
    policy: Policy,
    *,
    required: bool,
) -> list[GateResult]:
    thresholds, level = policy.thresholds, policy.level_per_gate
    asked: _Asked = {"required": required, "thresholds": thresholds, "level": level}
    if gate in policy.probe_gates:
        found = evaluation.get("probes", {}).get(policy.probe_gates[gate].probe)
        read = policy.probe_gates[gate]
        result = judge_probe(gate, read, found, **asked)
        base = evaluation.get("base", {})
        return [replace(result, uncalibrated=_find_uncalibrated(result, read, policy, base))]
    if gate == "data":
        findings = evaluation.get("data", {})
        return [judge_data(findings, required=required, thresholds=thresholds)]
    if gate == "integrity":
        return judge_integrity(integrity, required=required, thresholds=thresholds)
    if gate == "overfit":
        train = evaluation.get("train")
        return [judge_overfit(train, required=required, thresholds=thresholds)]
    if gate == FORMATS:
        return judge_formats(evaluation.get("suites", {}), **asked)
    left_out = evaluation.get("not_applicable", {}).get(gate)
    if gate in GUARDED and left_out:
        return [not_measured(gate, Gap("not_applicable", left_out), required=False)]
    if gate in GUARDED:
        pooled = evaluation.get("pooled", {}).get(gate)
        suites = _suites_of_kind(evaluation, gate)
        several = len(suites) > 1
        # Pool and single suites are two chances of one gate.
        level = level / 2 if several else level
        limits: _Asked = {"required": required, "thresholds": thresholds, "level": level}
        results = [judge_no_loss(gate, pooled, **limits)]
        results += judge_suites(gate, suites, **limits) if several else []
        return results + (_tell_not_asked(gate, evaluation) if gate == "fairness" else [])
    return _judge_task_suites(gate, evaluation, thresholds, required=required)


def _tell_not_asked(gate: str, evaluation: Mapping[str, Any]) -> list[GateResult]:
    """Suites that did not apply to this run: shown, and no reason to hold."""
    told: Mapping[str, str] = evaluation.get("not_applicable", {})
    return [
        not_measured(f"{gate}/{name}", Gap("not_applicable", reason), required=False)
        for name, reason in told.items()
    ]


def _find_uncalibrated(
    result: GateResult, read: ProbeGate, policy: Policy, base: Mapping[str, Any]
) -> str:
    """Nothing of what was not measured: no bound was looked at."""
    if result.outcome == "not_measured":
        return ""
    return describe_uncalibrated(result.name, read, policy.calibrations, base)


def _judge_task_suites(
    gate: str, evaluation: Mapping[str, Any], thresholds: Thresholds, *, required: bool
) -> list[GateResult]:
    against = "base" if gate == "task_gain" else "prompted"
    min_gain = thresholds.min_gain if against == "base" else thresholds.min_prompting_gain
    suites = _suites_of_kind(evaluation, "task") or {"task": None}
    return [
        judge_gain(
            gate if index == 0 else f"{gate}/{name}",
            suite,
            against=against,
            min_gain=min_gain,
            required=required,
            thresholds=thresholds,
        )
        for index, (name, suite) in enumerate(suites.items())
    ]


def _suites_of_kind(evaluation: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The suites that a kind's gates read: none in another format (see `suites.is_pooled`)."""
    suites = evaluation.get("suites", {})
    return {
        name: suite
        for name, suite in suites.items()
        if suite.get("kind") == kind and suite.get("format", PLAIN) == PLAIN
    }


__all__ = [
    "BUILT_IN",
    "GATES",
    "PROBE_GATES",
    "Calibration",
    "GateResult",
    "Level",
    "Limits",
    "Outcome",
    "Policy",
    "ProbeGate",
    "Thresholds",
    "Verdict",
    "adjust_holm",
    "decide_no_loss",
    "decide_verdict",
    "evaluate_gates",
    "judge_data",
    "judge_gain",
    "judge_integrity",
    "judge_no_loss",
    "judge_overfit",
    "judge_probe",
    "judge_suites",
    "load_policy",
    "override_thresholds",
]
