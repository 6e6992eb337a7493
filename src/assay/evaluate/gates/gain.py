"""Gates that ask for a gain: tuned over base, and tuned over the best prompt of the base."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.evaluate.gates.policy import Thresholds
from assay.evaluate.gates.result import (
    GateResult,
    describe_difference,
    find_gap,
    not_measured,
    result_from,
)

_RIVALS = {"base": "the base", "prompted": "the best prompt"}


def judge_gain(
    name: str,
    suite: Mapping[str, Any] | None,
    *,
    against: str,
    min_gain: float,
    required: bool,
    thresholds: Thresholds,
) -> GateResult:
    """Passes when the whole interval of tuned − `against` lies above `min_gain`.

    The lower bound, not the mean: a mean above the threshold is what chance gives half the time.
    A gain that is there but not shown fails too, and the reason says what so few items can show.
    """
    comparison = (suite or {}).get("comparisons", {}).get(f"tuned_vs_{against}") or {}
    gap = find_gap(comparison, thresholds)
    if gap is not None:
        return not_measured(name, gap, required=required)
    passed = comparison["low"] > min_gain
    return result_from(
        name,
        comparison,
        "pass" if passed else "fail",
        required=required,
        threshold=min_gain,
        reason=_describe(comparison, against=against, min_gain=min_gain, passed=passed),
    )


def _describe(comparison: Mapping[str, Any], *, against: str, min_gain: float, passed: bool) -> str:
    other = _RIVALS[against]
    numbers = describe_difference(comparison)
    if passed:
        return f"Tuned beats {other} by {numbers}; its low end lies above {min_gain:+.3f}."
    if comparison["difference"] <= min_gain:
        return f"Tuned does not beat {other}: {numbers}, not above {min_gain:+.3f}."
    detectable = comparison.get("detectable")
    power = f"; so few items show a gain of about {detectable:.3f}" if detectable else ""
    return f"Tuned is not shown to beat {other}: {numbers} reaches {min_gain:+.3f} or less{power}."
