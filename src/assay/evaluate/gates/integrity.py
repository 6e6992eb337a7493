"""Integrity gates: what is saved is what was measured; given the results, they read no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.evaluate.gates.policy import Thresholds
from assay.evaluate.gates.result import Gap, GateResult, is_finite, not_measured

CHECKS = {
    "adapter_reloads": "the saved weights load again with equal logits",
    "merged_equals_adapter": "the merged model gives the adapter's logits",
    "template_unchanged": "the chat template is byte for byte the base's",
}


def judge_integrity(
    integrity: Mapping[str, Any], *, required: bool, thresholds: Thresholds
) -> list[GateResult]:
    """One result for each of `CHECKS`, named ``integrity/<check>``.

    A value is a bool; a largest absolute logit difference (compared with `merged_tolerance`);
    ``{"difference": x, "tolerance": y}`` where the dtype needs another tolerance; or
    ``{"not_applicable": why}`` (full tuning has no adapter), which is shown and does not hold.
    Anything else, and a check that is missing, is not measured.
    """
    return [
        _judge(name, integrity.get(name), required=required, thresholds=thresholds)
        for name in CHECKS
    ]


def _judge(check: str, value: Any, *, required: bool, thresholds: Thresholds) -> GateResult:
    name, claim = f"integrity/{check}", CHECKS[check]
    if isinstance(value, Mapping) and value.get("not_applicable"):
        gap = Gap("not_applicable", f"Not applicable: {value['not_applicable']}.")
        return not_measured(name, gap, required=False)
    if isinstance(value, bool):
        reason = f"It {'holds' if value else 'does not hold'} that {claim}."
        return GateResult(name, "pass" if value else "fail", required, reason)
    difference, tolerance = _read_difference(value, thresholds)
    if difference is None:
        gap = Gap("missing", f"It was not checked that {claim}.")
        return not_measured(name, gap, required=required)
    passed = difference <= tolerance
    compared = "at most" if passed else "above"
    reason = f"{claim[0].upper()}{claim[1:]}: largest difference {difference:.2g}, {compared}"
    return GateResult(
        name=name,
        outcome="pass" if passed else "fail",
        required=required,
        reason=f"{reason} {tolerance:.2g}.",
        statistic=difference,
        threshold=tolerance,
    )


def _read_difference(value: Any, thresholds: Thresholds) -> tuple[float | None, float]:
    tolerance: Any = thresholds.merged_tolerance
    if isinstance(value, Mapping):
        value, tolerance = value.get("difference"), value.get("tolerance", tolerance)
    if is_finite(value) and is_finite(tolerance):
        return abs(float(value)), float(tolerance)
    return None, thresholds.merged_tolerance
