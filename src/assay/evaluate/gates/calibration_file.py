"""Reads and writes the block ``calibrated`` of a policy file; every mistake located."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from assay.config.tree import Node
from assay.errors import Problem
from assay.evaluate.gates.calibration import BoundOrigin, Calibration
from assay.evaluate.gates.policy import GATES, describe_unknown

KEYS = ("base", "sha256", "date", "runs", "gates")
GATE_KEYS = ("bound", "runs", "largest", "how")
_NEEDED = ("bound", "runs", "largest")


def read_calibration(node: Node | None, problems: list[Problem]) -> Calibration | None:
    """The block, or None without one; what is wrong is added to `problems`."""
    if node is None:
        return None
    before = len(problems)
    values = _read_values(node, KEYS, "calibrated", problems)
    gates = node.value.get("gates") if isinstance(node.value, dict) else None
    origins = _read_gates(gates, problems)
    if not isinstance(values.get("base"), str):
        problem = Problem(got="no base", allowed="the base's name", key="calibrated.base")
        problems.append(_at(node, problem))
    if len(problems) > before:
        return None
    return Calibration(
        base=values["base"],
        sha256=str(values.get("sha256") or ""),
        date=str(values.get("date") or ""),
        num_runs=int(values.get("runs") or 0),
        gates=origins,
    )


def to_block(calibration: Calibration) -> dict[str, Any]:
    """The block as plain values, which `read_calibration` reads back equal."""
    return {
        "base": calibration.base,
        "sha256": calibration.sha256,
        "date": calibration.date,
        "runs": calibration.num_runs,
        "gates": {
            name: {
                "bound": origin.bound,
                "runs": origin.num_runs,
                "largest": origin.largest,
                "how": origin.how,
            }
            for name, origin in calibration.gates.items()
        },
    }


def _read_gates(node: Node | None, problems: list[Problem]) -> dict[str, BoundOrigin]:
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        problem = Problem(got=repr(node.value), allowed="a mapping", key="calibrated.gates")
        problems.append(_at(node, problem))
        return {}
    origins = {}
    for name, child in node.value.items():
        place = f"calibrated.gates.{name}"
        if name not in GATES:
            problems.append(_at(child, describe_unknown(name, GATES, key=place)))
            continue
        values = _read_values(child, GATE_KEYS, place, problems)
        wrong = [key for key in _NEEDED if not _is_number(values.get(key))]
        if wrong:
            problem = Problem(got=f"no number as {', '.join(wrong)}", key=place)
            problems.append(_at(child, problem))
            continue
        origins[name] = BoundOrigin(
            float(values["bound"]),
            int(values["runs"]),
            float(values["largest"]),
            str(values.get("how") or ""),
        )
    return origins


def _read_values(
    node: Node, allowed: tuple[str, ...], key: str, problems: list[Problem]
) -> dict[str, Any]:
    if not isinstance(node.value, dict):
        problems.append(_at(node, Problem(got=repr(node.value), allowed="a mapping", key=key)))
        return {}
    for name, child in node.value.items():
        if name not in allowed:
            problems.append(_at(child, describe_unknown(name, allowed, key=f"{key}.{name}")))
    return {name: child.value for name, child in node.value.items() if name in allowed}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _at(node: Node, problem: Problem) -> Problem:
    place = node.key_place
    return replace(problem, file=place.file, line=place.line, column=place.column)
