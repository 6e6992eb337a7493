"""The gates of verdict.json as typed values; decides nothing that the evaluation decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.runs.values import mapping, number, sequence, text

OUTCOMES = ("pass", "fail", "not_measured")


@dataclass(frozen=True)
class Gate:
    """One gate. `blocks` says whether it alone holds the release.

    `interval` is (low, high) of `statistic`, in the statistic's unit; what is unknown is None.
    `code` names the cause of not_measured for programs. `uncalibrated` says, where it is so, that
    the bound was not set on benign runs of this base.
    """

    name: str
    outcome: str
    required: bool
    statistic: float | None
    interval: tuple[float, float] | None
    threshold: float | None
    n: int | None
    reason: str
    code: str
    uncalibrated: str

    @property
    def blocks(self) -> bool:
        """A required gate that did not pass, measured or not, holds the release."""
        return self.required and self.outcome != "pass"

    def as_dict(self) -> dict[str, Any]:
        """The gate as JSON values."""
        return {**vars(self), "interval": list(self.interval) if self.interval else None}


def read_gates(verdict: Mapping[str, Any]) -> list[Gate]:
    """Read the gates of a verdict; an outcome that is none of `OUTCOMES` counts as not measured."""
    return [_read_gate(mapping(value)) for value in sequence(verdict.get("gates"))]


def blocking_gates(gates: list[Gate]) -> list[Gate]:
    """The gates that hold a release."""
    return [gate for gate in gates if gate.blocks]


def _read_gate(value: dict[str, Any]) -> Gate:
    outcome = text(value.get("outcome"))
    count = number(value.get("n"))
    return Gate(
        name=text(value.get("name")) or "unnamed",
        outcome=outcome if outcome in OUTCOMES else "not_measured",
        required=bool(value.get("required", True)),
        statistic=number(value.get("statistic")),
        interval=_read_interval(value.get("interval")),
        threshold=number(value.get("threshold")),
        n=None if count is None else int(count),
        reason=text(value.get("reason")),
        code=text(value.get("code")),
        uncalibrated=text(value.get("uncalibrated")),
    )


def _read_interval(value: Any) -> tuple[float, float] | None:
    pair = (
        [mapping(value).get("low"), mapping(value).get("high")]
        if isinstance(value, dict)
        else value
    )
    ends = [number(end) for end in sequence(pair)]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    return ends[0], ends[1]
