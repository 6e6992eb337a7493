"""The gate on what was trained on: rules looked at every row, and no error was left or waved in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.evaluate.gates.policy import Thresholds
from assay.evaluate.gates.result import Gap, GateResult, not_measured

NAME = "data"


def judge_data(
    findings: Mapping[str, Any], *, required: bool, thresholds: Thresholds
) -> GateResult:
    """Pass where every error was mended, or accepted by name in few enough rows.

    Args:
        findings: ``findings`` of data/report.json: `rows` by part, `counts` and `accepted` by rule.
            Errors that are neither mended nor accepted have stopped the run before.
    """
    rows = sum(
        count for part, count in findings.get("rows", {}).items() if not part.startswith("suite:")
    )
    if not rows:
        gap = Gap("missing", "The data were not checked by rules.")
        return not_measured(NAME, gap, required=required)
    accepted: Mapping[str, Any] = findings.get("accepted", {})
    most = max((count["rows"] for count in accepted.values()), default=0)
    share = min(1.0, most / rows)
    fails = share > thresholds.max_accepted_ratio
    return GateResult(
        NAME,
        "fail" if fails else "pass",
        required,
        _tell(accepted, rows),
        statistic=share,
        threshold=thresholds.max_accepted_ratio,
        n=rows,
    )


def _tell(accepted: Mapping[str, Any], rows: int) -> str:
    if not accepted:
        return f"No error that a rule finds is left in {rows} rows."
    named = ", ".join(f"{rule} ({count['rows']} rows)" for rule, count in accepted.items())
    return f"Errors that the recipe accepts by name, in {rows} rows: {named}."
