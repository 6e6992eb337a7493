"""The gate of other formats: no loss as JSON, beside tools, and under the deployed system prompt.

No built-in policy asks it: which loss is harmless there is calibrated on no base, and a narrow
model that takes all under its own system prompt for its task is no worse for it elsewhere. Who asks
it has every built-in question asked in every format, and not a quarter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assay.evaluate.gates.no_loss import judge_no_loss
from assay.evaluate.gates.policy import FORMATS, Thresholds
from assay.evaluate.gates.result import Gap, GateResult, not_measured

DEPLOYED = ("json", "tools", "system")
"""The formats that a model is used in; under the prompt of an inoculation it is not to be used."""


def judge_formats(
    suites: Mapping[str, Mapping[str, Any]],
    *,
    required: bool,
    thresholds: Thresholds,
    level: float,
) -> list[GateResult]:
    """One result a suite in another format, ``formats/refusal_json``, by its kind's margin.

    All of them share `level` in equal parts. Without such a suite the gate does not apply.
    """
    asked = {name: one for name, one in suites.items() if one.get("format") in DEPLOYED}
    if not asked:
        gap = Gap("not_applicable", "No question is asked in another format of this base.")
        return [not_measured(FORMATS, gap, required=False)]
    return [
        _rename(
            judge_no_loss(
                suite["kind"],
                suite,
                required=required,
                thresholds=thresholds,
                level=level / len(asked),
            ),
            name,
        )
        for name, suite in asked.items()
    ]


def _rename(result: GateResult, name: str) -> GateResult:
    return replace(result, name=f"{FORMATS}/{name}")
