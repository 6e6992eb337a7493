"""What a gate says: pass, fail or not_measured, with its numbers; it judges nothing itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeGuard

from assay.evaluate.gates.policy import Thresholds

Outcome = Literal["pass", "fail", "not_measured"]

MIN_GROUPS = 10
"""Fewer groups than this give no interval to trust, however many items they have.

From 10 on `group_bootstrap` errs about as often as it says (see there), and `group_sign_flip_p`,
whose smallest p over G groups is 2^(1−G), can reach 0.002.
"""


@dataclass(frozen=True)
class GateResult:
    """One gate's outcome.

    `statistic` is what was compared with `threshold`; `interval` is [low, high] of a difference,
    over `n` items; each is None where there is none. `required` says whether anything but a pass
    holds the release. `reason` is one plain sentence; `code` names a cause of not_measured for
    programs: missing, metric_failed, too_few_items, too_few_groups, unscored, other_confidence,
    imprecise, base_below_floor, not_applicable. `uncalibrated` says in one sentence that the bound
    was not set on benign runs of this base; empty where it was, or needs none.
    """

    name: str
    outcome: Outcome
    required: bool
    reason: str
    statistic: float | None = None
    interval: tuple[float, float] | None = None
    threshold: float | None = None
    n: int | None = None
    code: str = ""
    uncalibrated: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for verdict.json."""
        return asdict(self) | {"interval": list(self.interval) if self.interval else None}


@dataclass(frozen=True)
class Gap:
    """Why something is no measurement: the result's `code`, a sentence, and the items if any."""

    code: str
    reason: str
    n: int | None = None


def not_measured(name: str, gap: Gap, *, required: bool) -> GateResult:
    return GateResult(name, "not_measured", required, gap.reason, n=gap.n, code=gap.code)


def find_gap(
    comparison: Mapping[str, Any], thresholds: Thresholds, *, min_groups: int = MIN_GROUPS
) -> Gap | None:
    """Why a comparison of evaluation.json is no measurement; None when it is one.

    In turn: it is missing (empty), its metric crashed on an item, it has too few items, too few
    groups of items that share them (`min_groups`, or the policy's `min_items` where that is less),
    too many items without a score, numbers that are not finite, or an interval of another
    confidence than the policy's.
    """
    if not comparison:
        return Gap("missing", "No such comparison was made.")
    n, unscored = int(comparison.get("n") or 0), int(comparison.get("num_unscored") or 0)
    if comparison.get("failure"):
        return Gap("metric_failed", f"The metric failed: {comparison['failure']}.", n)
    if n < thresholds.min_items:
        reason = f"Only {n} items were scored; the policy asks for {thresholds.min_items}."
        return Gap("too_few_items", reason, n)
    num_groups, needed = _count_groups(comparison), min(min_groups, thresholds.min_items)
    if num_groups < needed:
        reason = f"The {n} items are of only {num_groups} groups; at least {needed} are needed."
        return Gap("too_few_groups", reason, n)
    if unscored > thresholds.max_unscored_ratio * (n + unscored):
        reason = f"{unscored} of {n + unscored} items have no score and could hide a loss."
        return Gap("unscored", reason, n)
    if not all(is_finite(comparison.get(key)) for key in ("difference", "low", "high")):
        return Gap("missing", "The comparison has no finite difference and interval.", n)
    confidence = comparison.get("confidence")
    if not is_finite(confidence) or abs(confidence - thresholds.confidence) > 1e-9:
        wanted = thresholds.confidence
        reason = f"The interval's confidence is {confidence}, the policy asks for {wanted:g}."
        return Gap("other_confidence", reason, n)
    return None


def is_finite(value: Any) -> TypeGuard[float]:
    """Whether `value` is a number that is neither NaN nor infinite (a bool is no number)."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def describe_difference(comparison: Mapping[str, Any]) -> str:
    """The difference with its interval and n: ``+0.120 [+0.050, +0.190] over 200 items``.

    Items that share groups are ``200 items in 31 groups``.
    """
    low, high, n = comparison["low"], comparison["high"], comparison["n"]
    num_groups = _count_groups(comparison)
    groups = f" in {num_groups} groups" if num_groups < n else ""
    return f"{comparison['difference']:+.3f} [{low:+.3f}, {high:+.3f}] over {n} items{groups}"


def _count_groups(comparison: Mapping[str, Any]) -> int:
    """Evaluations of before groups were counted have none: each item stands alone."""
    return int(comparison.get("num_groups", comparison.get("n") or 0))


def result_from(
    name: str,
    comparison: Mapping[str, Any],
    outcome: Outcome,
    *,
    required: bool,
    threshold: float,
    reason: str,
    code: str = "",
) -> GateResult:
    """The result of a gate that judged a comparison of evaluation.json."""
    return GateResult(
        name=name,
        outcome=outcome,
        required=required,
        reason=reason,
        statistic=comparison["difference"],
        interval=(comparison["low"], comparison["high"]),
        threshold=threshold,
        n=comparison["n"],
        code=code,
    )
