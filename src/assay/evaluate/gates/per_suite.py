"""Gates of single suites of a kind: a loss that pooling would hide must be shown to count.

Among k suites one always looks bad by chance, so a suite fails only on a loss beyond the margin
that its one-sided paired test shows at the level after Holm's correction over the k suites. That
no loss is there is the business of the pooled gate (`no_loss`), which shares the kind's level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.evaluate.gates.no_loss import CLAIMS, NOUNS, compute_loss_p, read_limits
from assay.evaluate.gates.policy import Thresholds
from assay.evaluate.gates.result import (
    GateResult,
    describe_difference,
    find_gap,
    not_measured,
    result_from,
)


def judge_suites(
    kind: str,
    suites: Mapping[str, Mapping[str, Any]],
    *,
    required: bool,
    thresholds: Thresholds,
    level: float,
) -> list[GateResult]:
    """One result per suite, named ``kind/suite``.

    A suite without a measurement is advisory, for its items still count in the pooled gate.
    """
    comparisons = {
        name: suite.get("comparisons", {}).get("tuned_vs_base") or {}
        for name, suite in suites.items()
    }
    gaps = {name: find_gap(found, thresholds) for name, found in comparisons.items()}
    adjusted = adjust_holm(
        {name: compute_loss_p(comparisons[name]) for name, gap in gaps.items() if gap is None}
    )
    return [
        not_measured(f"{kind}/{name}", gap, required=False)
        if gap is not None
        else _judge_suite(
            kind,
            name,
            comparisons[name],
            required=required,
            margin=read_limits(kind, thresholds)[0],
            p_value=adjusted[name],
            level=level,
        )
        for name, gap in gaps.items()
    ]


def adjust_holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Step-down adjusted p-values (Holm 1979): the i-th smallest of k, times k − i + 1, rising."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, p_values[name] * (len(p_values) - rank)))
        adjusted[name] = highest
    return adjusted


def _judge_suite(
    kind: str,
    name: str,
    comparison: Mapping[str, Any],
    *,
    required: bool,
    margin: float,
    p_value: float,
    level: float,
) -> GateResult:
    lost = comparison["difference"] < -margin and p_value <= level
    shown = f"No loss beyond the margin is shown in {NOUNS[kind]}"
    if lost:
        shown = f"In this suite alone: {CLAIMS[kind][0].lower()}{CLAIMS[kind][1:]}"
    numbers = f"{describe_difference(comparison)}, margin {margin:.3f}, adjusted p {p_value:.3f}"
    return result_from(
        f"{kind}/{name}",
        comparison,
        "fail" if lost else "pass",
        required=required,
        threshold=-margin,
        reason=f"{shown}: {numbers}.",
    )
