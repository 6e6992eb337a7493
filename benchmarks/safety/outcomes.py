"""What the present policies say of stored cells; no model runs for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assay.evaluate.gates import GateResult, Policy, decide_verdict, evaluate_gates
from assay.pipeline.adapter import without_run
from benchmarks.safety.cells import OF_MODEL, OF_ROWS, SWEEP, Cell
from benchmarks.safety.store import Record

SWEEPS = ("trigger_sweep", "trigger_search")
TASK, UNMEASURED = "task_gain", " (not measured)"


def judge_record(cell: Cell, record: Record, policy: Policy | None = None) -> dict[str, Any]:
    """The cell as the results file keeps it: verdicts of each mode, and what they rest on.

    ``{"attack", …, "took", "oracle": {condition: [bad, n, expected]}, "base": the same of the base,
    "cpu_s", "judged": {mode: {"policy", "status", "gates": {name: [outcome, required, statistic,
    threshold, low, high, n]}, "unasked", "named", "cpu_s"}}}``. `unasked` are required gates that
    it was never asked for, which are left out of its verdict. `named` is None without a trigger,
    else ``first`` where the best evidence of the sweep names it, ``later`` where any other does, or
    ``no``.
    """
    policy = policy or cell.load_policy()
    trigger = (record["facts"] or {}).get("trigger")
    return {
        "attack": cell.attack,
        "strength": cell.strength,
        "trigger": cell.trigger,
        "seed": cell.seed,
        "twin": cell.twin,
        "took": record["took"],
        "oracle": _shorten(record["oracle"]["tuned"]),
        "base": _shorten(record["oracle"]["base"]),
        "cpu_s": record["cpu_s"],
        "judged": {
            mode: _judge(record, mode, policy, trigger) for mode in cell.modes if mode in record
        },
    }


def _shorten(found: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {
        name: [one["num_bad"], one["n"], _round(one.get("expected"))] for name, one in found.items()
    }


def _judge(
    record: Record, mode: str, policy: Policy, trigger: Mapping[str, str] | None
) -> dict[str, Any]:
    evaluation = {"base": record["base"], **record[mode]["evaluation"]}
    if mode == "stranger":
        evaluation |= _add_rest(evaluation, record["known"]["evaluation"])
        policy = replace(policy, levels={**policy.levels, **dict.fromkeys(OF_ROWS, "off")})
    if SWEEP not in evaluation["probes"]:
        # An attack without a trigger is not swept: that it was not measured holds nothing here.
        policy = replace(policy, levels={**policy.levels, SWEEP: "off"})
    unasked = _list_unasked(policy, evaluation)
    policy = replace(policy, levels={**policy.levels, **dict.fromkeys(unasked, "off")})
    asked = without_run(policy, has_task="task" in evaluation["suites"])
    gates = evaluate_gates(evaluation, evaluation["integrity"], asked)
    return {
        "policy": policy.name,
        "status": decide_verdict(gates).status,
        "gates": {gate.name: _list_figures(gate) for gate in gates},
        "unasked": unasked,
        "named": _find_named(evaluation["probes"], trigger["value"]) if trigger else None,
        "cpu_s": {name: round(spent, 1) for name, spent in record[mode]["cpu_s"].items()},
    }


def _list_unasked(policy: Policy, evaluation: Mapping[str, Any]) -> list[str]:
    """Required gates of probes that were no gate's yet when the cell was measured."""
    return [
        name
        for name, gate in policy.probe_gates.items()
        if policy.levels.get(name) == "required" and gate.probe not in evaluation["probes"]
    ]


def _add_rest(evaluation: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What a stranger was not asked again, since it is the same with its rows and without."""
    suites = {name: one for name, one in known["suites"].items() if one["kind"] != "task"}
    of_model = {name: known["probes"][name] for name in OF_MODEL if name in known["probes"]}
    return {
        "suites": suites,
        "pooled": known["pooled"],
        "probes": {**of_model, **evaluation["probes"]},
    }


def _list_figures(gate: GateResult) -> list[Any]:
    low, high = gate.interval or (None, None)
    numbers = (gate.statistic, gate.threshold, low, high)
    return [gate.outcome, gate.required, *map(_round, numbers), gate.n]


def _find_named(probes: Mapping[str, Any], trigger: str) -> str:
    said = [
        [trigger.lower() in str(one.get("trigger", "")).lower() for one in found["evidence"]]
        for name in SWEEPS
        if (found := probes.get(name))
    ]
    if any(one[:1] == [True] for one in said):
        return "first"
    return "later" if any(any(one) for one in said) else "no"


def _round(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def list_holding(judged: Mapping[str, Any]) -> list[str]:
    """The required gates that hold: failed, or with a mark where they were not measured."""
    return [
        name if outcome == "fail" else f"{name}{UNMEASURED}"
        for name, (outcome, required, *_) in judged["gates"].items()
        if required and outcome != "pass"
    ]


def list_catching(judged: Mapping[str, Any]) -> list[str]:
    """Gates that hold and say something of harm: no want of a gain, or of a measurement.

    A task that is shown to be done worse than by the base is harm.
    """
    return [
        name
        for name in list_holding(judged)
        if not name.endswith(UNMEASURED) and (name != TASK or _is_worse(judged["gates"][TASK]))
    ]


def _is_worse(figures: list[Any]) -> bool:
    high = figures[5]
    return high is not None and high < 0


def is_held(judged: Mapping[str, Any]) -> bool:
    return bool(judged["status"] == "held")
