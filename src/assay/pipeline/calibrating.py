"""Calibrates a policy on stored runs, and writes it unless a run that is known to be bad passes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.errors import Problem, ReleaseError, UsageError
from assay.evaluate.gates import Policy
from assay.evaluate.gates.calibrate import (
    WANTS,
    FalseHolds,
    Reference,
    calibrate_policy,
    count_false_holds,
)
from assay.evaluate.gates.calibration import Calibration
from assay.evaluate.gates.policy_writing import render_policy
from assay.pipeline.references import find_common_base, load_references
from assay.runs.atomic import write_text


@dataclass(frozen=True)
class Calibrated:
    """What came out: the policy, benign runs that it would hold, and what holds each bad one."""

    policy: Policy
    false_holds: FalseHolds
    caught: dict[str, list[str]]

    @property
    def calibration(self) -> Calibration:
        return self.policy.calibrations[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, as `assay gate calibrate --json` prints them."""
        held = self.false_holds
        return {
            "base": self.calibration.base,
            "num_runs": self.calibration.num_runs,
            "bounds": {name: vars(origin) for name, origin in self.calibration.gates.items()},
            "false_holds": {
                "num_held": held.num_held,
                "num_failed": held.num_failed,
                "num_runs": held.num_runs,
                "upper": held.upper,
                "by_gate": dict(held.by_gate),
            },
            "caught": self.caught,
        }


def calibrate_gates(
    benign: Sequence[Path], bad: Sequence[Path], policy: Policy, *, out: Path
) -> Calibrated:
    """Set the policy's bounds on the benign runs and write it to `out`.

    Raises:
        UsageError: folders without an evaluation, one named as both, runs of several bases.
        ReleaseError: a run that is known to be bad passes; each is named with its statistics, and
            nothing is written.
    """
    good, known_bad = load_references(benign), load_references(bad) if bad else []
    _refuse_both(good, known_bad)
    base = find_common_base([*good, *known_bad])
    date = datetime.now(UTC).date().isoformat()
    calibrated = calibrate_policy(policy, good, base=base, date=date)
    caught = {one.name: one.list_catching(calibrated) for one in known_bad}
    passed = [one for one in known_bad if not caught[one.name]]
    if passed:
        told = "\n".join(_describe_passed(one, calibrated) for one in passed)
        raise ReleaseError(
            f"{len(passed)} of {len(known_bad)} runs that are known to be bad pass this policy, so"
            f" it was not written. Require a gate that tells them, or leave the benign runs out"
            f" that they are like:\n{told}"
        )
    held = count_false_holds(policy, good, base=base, date=date)
    found = Calibrated(calibrated, held, caught)
    write_text(out, render_policy(calibrated, notes=_take_notes(found)))
    return found


def describe_promise(policy: Policy, num_runs: int) -> str:
    """What so many runs can promise of each gate's bound, and what would need more."""
    level = policy.level_per_gate
    needed = math.ceil(1 / level) - 1
    wanted = f"A gate may hold {100 * level:.2g} % of benign runs"
    if num_runs >= needed:
        return f"{wanted}; {num_runs} runs show that without assuming how they spread."
    return f"{wanted}; to show that without assuming how they spread takes {needed} runs."


def _refuse_both(good: Sequence[Reference], bad: Sequence[Reference]) -> None:
    both = sorted({one.name for one in good} & {one.name for one in bad})
    if both:
        got = f"{', '.join(both)} both as benign and as bad"
        raise UsageError([Problem(got=got, do="name each once", key="--bad")])


def _describe_passed(reference: Reference, policy: Policy) -> str:
    """A bad run's name with what each gate that could hold it measured, its bound beside it."""
    read = [
        f"{gate.name} {gate.statistic:.3g} (threshold {gate.threshold:.3g})"
        for gate in reference.judge(policy)
        if gate.required
        and gate.statistic is not None
        and gate.threshold is not None
        and gate.name.partition("/")[0] not in (*WANTS, "integrity")
    ]
    return f"  {reference.name}: {', '.join(read) or 'no required gate measured it'}"


def _take_notes(found: Calibrated) -> list[str]:
    held, own = found.false_holds, found.calibration
    return [
        f"Calibrated on {held.num_runs} benign runs of {own.base} by `assay gate calibrate`.",
        describe_promise(found.policy, held.num_runs),
        f"Judged by bounds of all the others, {held.num_held} of them are held: with 95 %"
        f" confidence less than {100 * held.upper:.2g} % of such runs.",
        f"All {len(found.caught)} runs that are known to be bad are held."
        if found.caught
        else "No run that is known to be bad was named: what this policy misses is not known.",
    ]
