"""Sets a policy's bounds from benign runs, and counts what it then holds; it reads no file.

A bound is what the benign runs gave, not less: the largest of them or, from `MIN_RUNS` on, the
upper prediction limit of a normal sample at the gate's level if that is more (of the logarithms
where all are positive, as divergences are). What n runs promise without any assumption is stated
beside it: a further run of their kind is above the largest of n with a probability of at most
1/(n + 1), since each of the n + 1 is as likely to be the largest. A level of 0.5 % needs 199 runs
for that; with fewer the limit rests on the normal shape.

Margins of no-loss gates are never narrowed: what loss is tolerated is the owner's choice, and their
level is exact whatever the base. They are widened to the loss that a benign run shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist, fmean, stdev
from typing import Any

from assay.evaluate.gates import evaluate_gates
from assay.evaluate.gates.calibration import BoundOrigin, Calibration
from assay.evaluate.gates.no_loss import compute_loss_p
from assay.evaluate.gates.policy import Level, Policy, change_thresholds
from assay.evaluate.gates.result import GateResult
from assay.evaluate.items import GUARDED
from assay.evaluate.stats import compute_upper_bound

MIN_RUNS = 10
"""Fewer benign runs than this widen a bound and never narrow it."""
WANTS = ("task_gain", "prompting_gain")
"""Gates that ask for a gain: holding a run that gained nothing is no false hold.

Nor is it a catch, unless the task is done worse than by the base.
"""


@dataclass(frozen=True)
class Reference:
    """A run or judged adapter that is known to be benign, or bad.

    `evaluation` is the content of evaluation.json, with the findings on its data where it has such;
    `left_out` names gates that could not be asked of it (an adapter has no training run).
    """

    name: str
    evaluation: Mapping[str, Any]
    left_out: tuple[str, ...] = ()

    def judge(self, policy: Policy) -> list[GateResult]:
        off: dict[str, Level] = dict.fromkeys(self.left_out, "off")
        own = replace(policy, levels={**policy.levels, **off})
        return evaluate_gates(self.evaluation, self.evaluation.get("integrity", {}), own)

    def list_holding(self, policy: Policy) -> list[GateResult]:
        """The required gates that hold it for another reason than a missing gain."""
        return [
            gate
            for gate in self.judge(policy)
            if gate.required and gate.outcome != "pass" and not _wants_alone(gate)
        ]

    def list_catching(self, policy: Policy) -> list[str]:
        """Those of `list_holding` that failed: what was not measured has caught nothing."""
        return [gate.name for gate in self.list_holding(policy) if gate.outcome == "fail"]


@dataclass(frozen=True)
class FalseHolds:
    """Benign runs that bounds of all the others hold; `by_gate` names them for each gate.

    `num_failed` of them failed a gate; the others were not measured by one that is required.
    A gate's name has a mark where it holds them because it was not measured. `upper` bounds the
    share of such runs from above (exact, one-sided, 95 %).
    """

    num_held: int
    num_failed: int
    num_runs: int
    by_gate: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def upper(self) -> float:
        return compute_upper_bound(self.num_held, self.num_runs)


def calibrate_policy(
    policy: Policy, benign: Sequence[Reference], *, base: Mapping[str, Any], date: str
) -> Policy:
    """The policy with bounds of the benign runs, and its `calibrations` saying so.

    Gates of probes with a bound take it from the runs; margins are widened where one needs it; what
    no run measured stays, and is not of them.

    Args:
        base: of all of them, ``{"name", "sha256"}``.
        date: ISO 8601.
    """
    level = policy.level_per_gate
    probe_gates, origins = dict(policy.probe_gates), {}
    for name, gate in policy.probe_gates.items():
        if policy.levels.get(name, "off") == "off" or gate.exact:
            continue
        found = [one for each in benign if (one := _read_probe(each, policy, name)) is not None]
        if not found:
            continue
        set_bound = _widen if gate.test == "no_loss" else _SETTERS[gate.test]
        origins[name] = set_bound(found, gate.bound, level)
        probe_gates[name] = replace(gate, bound=origins[name].bound)
    margins = {}
    for kind in GUARDED:
        losses = [one for each in benign if (one := _read_loss(each, kind, level)) is not None]
        if policy.levels.get(kind, "off") != "off" and losses:
            origins[kind] = _widen(losses, getattr(policy.thresholds, f"{kind}_margin"), level)
            margins[f"{kind}_margin"] = origins[kind].bound
    sha256 = str(base.get("sha256") or "")
    own = Calibration(str(base.get("name") or ""), sha256, date, len(benign), origins)
    return replace(
        policy,
        thresholds=change_thresholds(policy.thresholds, margins),
        probe_gates=probe_gates,
        calibrations=(own, *policy.calibrations),
    )


def count_false_holds(
    policy: Policy, benign: Sequence[Reference], *, base: Mapping[str, Any], date: str
) -> FalseHolds:
    """Each benign run judged by bounds of all the others (leave-one-out)."""
    by_gate: dict[str, list[str]] = {}
    num_held = num_failed = 0
    for index, one in enumerate(benign):
        others = [*benign[:index], *benign[index + 1 :]]
        holding = one.list_holding(calibrate_policy(policy, others, base=base, date=date))
        num_held += bool(holding)
        num_failed += any(gate.outcome == "fail" for gate in holding)
        for gate in holding:
            name = gate.name if gate.outcome == "fail" else f"{gate.name} (not measured)"
            by_gate.setdefault(name, []).append(one.name)
    return FalseHolds(num_held, num_failed, len(benign), by_gate)


def _wants_alone(gate: GateResult) -> bool:
    """Whether a gate holds for want of a gain, and shows no loss."""
    is_worse = gate.interval is not None and gate.interval[1] < 0
    return gate.name.partition("/")[0] in WANTS and not is_worse


def _read_probe(reference: Reference, policy: Policy, name: str) -> float | None:
    """The smallest bound under which the gate passes the run; None where it measured nothing."""
    gate = policy.probe_gates[name]
    found = reference.evaluation.get("probes", {}).get(gate.probe) or {}
    if not found or found.get("not_measured"):
        return None
    comparison = found.get("comparisons", {}).get("tuned_vs_base", {})
    if gate.test == "no_loss":
        return _find_shown_loss(comparison, policy.level_per_gate)
    if gate.test == "no_event":
        return float(found["events"]["new"]) if found.get("events") else None
    value = found.get("statistic")
    value = comparison.get("difference") if value is None else value
    return float(value) if value is not None and math.isfinite(value) else None


def _read_loss(reference: Reference, kind: str, level: float) -> float | None:
    pooled = reference.evaluation.get("pooled", {}).get(kind) or {}
    return _find_shown_loss(pooled.get("comparisons", {}).get("tuned_vs_base") or {}, level)


def _find_shown_loss(comparison: Mapping[str, Any], level: float) -> float | None:
    """The loss that the paired test shows at the level, 0 where it shows none."""
    if comparison.get("difference") is None or comparison.get("p_value") is None:
        return None
    return -float(comparison["difference"]) if compute_loss_p(comparison) <= level else 0.0


def _set_bound(values: Sequence[float], bound: float, level: float) -> BoundOrigin:
    """The bound of a statistic (see this module's docstring)."""
    n, largest = len(values), max(values)
    spread = stdev(values) if n > 1 else 0.0
    if n < MIN_RUNS or spread == 0.0:
        why = "too few to narrow it" if n < MIN_RUNS else "all alike, which sets none"
        how = f"as it was, or the largest of {_count(n)}, {why}; {promise(n)}"
        return BoundOrigin(_round_up(max(bound, largest)), n, largest, how)
    limit, shape = _find_limit(values, level)
    limit = max(0.0, limit)
    if largest >= limit:
        how = f"the largest of {_count(n)}; {promise(n)}"
        return BoundOrigin(_round_up(largest), n, largest, how)
    how = f"exceeded in {100 * level:.2g} % if {shape} of {_count(n)} are normal; {promise(n)}"
    return BoundOrigin(_round_up(limit), n, largest, how)


def _find_limit(values: Sequence[float], level: float) -> tuple[float, str]:
    """The value that one more of a normal sample exceeds with probability `level`."""
    positive = min(values) > 0
    scaled = [math.log(value) for value in values] if positive else list(values)
    n = len(scaled)
    half = _compute_t(1 - level, n - 1) * stdev(scaled) * math.sqrt(1 + 1 / n)
    limit = fmean(scaled) + half
    return (math.exp(limit), "the logarithms") if positive else (limit, "those")


def _compute_t(p: float, degrees: int) -> float:
    """Student's t quantile by the expansion of Cornish and Fisher (Abramowitz and Stegun 26.7.5).

    To 0.5 % from 9 degrees of freedom on for p up to 0.999.
    """
    z = NormalDist().inv_cdf(p)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / degrees**power for power, term in enumerate(terms))


def _set_count(values: Sequence[float], bound: float, level: float) -> BoundOrigin:
    """The bound of a number of events: the most that a benign run had."""
    n, largest = len(values), max(values)
    if n < MIN_RUNS:
        how = f"as it was, or the most of {_count(n)}, too few to narrow it; {promise(n)}"
        return BoundOrigin(max(bound, largest), n, largest, how)
    return BoundOrigin(largest, n, largest, f"the most events of {_count(n)}; {promise(n)}")


def _widen(losses: Sequence[float], margin: float, level: float) -> BoundOrigin:
    """The margin, or the largest loss that a benign run shows where that is more."""
    n, largest = len(losses), max(losses)
    if largest <= margin:
        how = f"as it was: no loss beyond it is shown in {_count(n)}"
        return BoundOrigin(margin, n, largest, how)
    return BoundOrigin(_round_up(largest), n, largest, f"the largest loss shown in {_count(n)}")


def _count(n: int) -> str:
    return f"{n} benign run{'s' if n != 1 else ''}"


def promise(n: int) -> str:
    """What n runs show of a further one, with no assumption but that it is of their kind."""
    upper = compute_upper_bound(0, n)
    return (
        f"a further one exceeds them in at most {100 / (n + 1):.2g} % on average,"
        f" {100 * upper:.2g} % with 95 % confidence"
    )


def _round_up(value: float) -> float:
    """To three significant digits, away from what the runs gave; no bound is below 0."""
    if value <= 0:
        return 0.0
    digits = 2 - math.floor(math.log10(abs(value)))
    return math.ceil(value * 10.0**digits - 1e-9) / 10.0**digits


_SETTERS: Mapping[str, Callable[[Sequence[float], float, float], BoundOrigin]] = {
    "at_most": _set_bound,
    "no_event": _set_count,
}
