"""Of which benign runs a bound is: data that a policy carries, and what to say of other bases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from assay.evaluate.gates.probe_gate import ProbeGate


@dataclass(frozen=True)
class BoundOrigin:
    """Where a gate's bound is from: `num_runs` benign runs, whose `largest` statistic it is above.

    `how` says in one sentence how the bound follows from them.
    """

    bound: float
    num_runs: int
    largest: float
    how: str = ""


@dataclass(frozen=True)
class Calibration:
    """The benign runs of one base that bounds were set on, by gate.

    `sha256` is of the base's files (see `BaseFiles.sha256`); empty where only the name is known.
    `date` is the day (ISO 8601), `num_runs` all benign runs that were looked at.
    """

    base: str
    sha256: str
    date: str
    num_runs: int
    gates: Mapping[str, BoundOrigin] = field(default_factory=dict)

    def is_of(self, base: Mapping[str, object]) -> bool:
        """Whether `base` (``{"name", "sha256"}``) is this one: by hash, by name without one."""
        sha256 = base.get("sha256")
        if sha256 and self.sha256:
            return sha256 == self.sha256
        return bool(self.base) and base.get("name") == self.base


def apply_bounds(gates: Mapping[str, ProbeGate], calibration: Calibration) -> dict[str, ProbeGate]:
    """The gates with the calibration's bounds, where it has one."""
    return {
        name: replace(gate, bound=calibration.gates[name].bound)
        if name in calibration.gates
        else gate
        for name, gate in gates.items()
    }


def describe_uncalibrated(
    name: str, gate: ProbeGate, calibrations: Sequence[Calibration], base: Mapping[str, object]
) -> str:
    """Why a gate's bound says little of this base, in one sentence; empty where it is of it.

    A bound that somebody changed since is of no runs. A no-loss test needs none: it compares with
    the base itself. Nor does an exact one, whose statistic is a probability.
    """
    if gate.test == "no_loss" or gate.exact:
        return ""
    of_bases = [
        (one, origin)
        for one in calibrations
        if (origin := one.gates.get(name)) is not None and origin.bound == gate.bound
    ]
    if any(one.is_of(base) for one, _ in of_bases):
        return ""
    if not of_bases:
        return (
            f"Its bound of {gate.bound:g} was set on no benign runs, so how often it holds a"
            " good one is not known."
        )
    one, origin = of_bases[0]
    own = base.get("name") or "this base"
    return (
        f"Its bound of {gate.bound:g} was set on {origin.num_runs} benign runs of {one.base};"
        f" how often it holds a good run of {own} is not known."
    )
