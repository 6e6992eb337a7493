"""Reads a policy by name or from a YAML file, every mistake located; it judges nothing.

A policy file has ``extends`` (a built-in's name, "standard" when left out), ``gates`` (name:
required | advisory | off), ``thresholds`` (name: number) and ``calibrated`` (of which benign runs
its bounds are, see `calibration_file`). A gate that reads a probe may be a block of ``level``,
``bound`` and ``min_items``. What it leaves out stays as in the policy that it extends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from assay.config.tree import Node, parse_yaml
from assay.errors import ConfigError, Problem
from assay.evaluate.gates.calibration import Calibration, apply_bounds
from assay.evaluate.gates.calibration_file import read_calibration
from assay.evaluate.gates.policy import (
    GATES,
    LEVELS,
    Level,
    Policy,
    Thresholds,
    change_thresholds,
    describe_unknown,
    find_threshold_problem,
)
from assay.evaluate.gates.probe_gate import PROBE_GATES, ProbeGate

BUILT_IN = ("minimal", "standard", "strict", "agent")
KEYS = ("extends", "gates", "thresholds", "calibrated")
BLOCK_KEYS = ("level", "bound", "min_items")
_BLOCK_RANGES = {"bound": (0.0, 1e6), "min_items": (1, 1e6)}
_FOLDER = Path(__file__).parent / "policies"
_CALIBRATED = _FOLDER / "calibrated" / "tiny.yaml"
"""Of which runs the bounds of the policies by name are."""


def load_policy(name_or_path: str, *, base_dir: Path | str = ".") -> Policy:
    """A built-in policy by name, or one from a YAML file (a relative path starts at `base_dir`).

    Raises ConfigError with every problem located: no such file, broken YAML, unknown gates, levels
    or thresholds, numbers out of range, no required gate.
    """
    if name_or_path in BUILT_IN:
        return _read_policy(name_or_path, _FOLDER / f"{name_or_path}.yaml")
    path = Path(base_dir, name_or_path)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        near = get_close_matches(name_or_path, BUILT_IN, n=1)
        raise ConfigError(
            Problem(
                got=f"no policy {name_or_path!r}",
                allowed=", ".join(BUILT_IN) + ", or a policy file (.yaml)",
                do=f"write {near[0]}" if near else "correct the name or the path",
                key="gates.policy",
            )
        )
    return _read_policy(path.stem, path)


def _read_policy(name: str, path: Path) -> Policy:
    root, problems = parse_yaml(_read_text(path), file=str(path))
    blocks = root.value if isinstance(root.value, dict) else {}
    if not isinstance(root.value, dict):
        problems.append(_at(root, Problem(got="no mapping", allowed=", ".join(KEYS))))
    for key, node in blocks.items():
        if key not in KEYS:
            allowed = ", ".join(KEYS)
            problems.append(_at(node, Problem(got="an unknown key", allowed=allowed, key=key)))
    parent = _read_parent(blocks.get("extends"), path, problems)
    levels = _read_levels(blocks.get("gates"), problems)
    known = parent.calibrations if parent else _read_built_in_calibrations()
    probe_gates = dict(parent.probe_gates if parent else apply_bounds(PROBE_GATES, known[0]))
    probe_gates |= _read_probe_gates(blocks.get("gates"), probe_gates, problems)
    own = read_calibration(blocks.get("calibrated"), problems)
    changes = _read_thresholds(blocks.get("thresholds"), problems)
    levels = {**(parent.levels if parent else dict.fromkeys(GATES, "off")), **levels}
    if "required" not in levels.values() and not problems:
        problems.append(
            Problem(got="no required gate", do="require at least one gate", file=str(path))
        )
    if problems:
        raise ConfigError(problems)
    base = parent.thresholds if parent else Thresholds()
    calibrations = ((own,) if own else ()) + known
    return Policy(name, levels, change_thresholds(base, changes), probe_gates, calibrations)


@cache
def _read_built_in_calibrations() -> tuple[Calibration, ...]:
    problems: list[Problem] = []
    root, _ = parse_yaml(_read_text(_CALIBRATED), file=str(_CALIBRATED))
    found = read_calibration(root.value["calibrated"], problems)
    assert found is not None and not problems, problems
    return (found,)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        do = "save the policy as readable UTF-8"
        raise ConfigError(Problem(got=str(error), do=do, file=str(path))) from error


def _read_parent(node: Node | None, path: Path, problems: list[Problem]) -> Policy | None:
    if path.parent == _FOLDER:
        return None
    name = node.value if node is not None else "standard"
    if name in BUILT_IN:
        return load_policy(str(name))
    assert node is not None, "the default is built in"
    got, allowed = repr(name), ", ".join(BUILT_IN)
    problems.append(_at(node, Problem(got=got, allowed=allowed, key="extends")))
    return None


def _read_levels(node: Node | None, problems: list[Problem]) -> dict[str, Level]:
    levels: dict[str, Level] = {}
    for name, child in _entries(node, "gates", problems):
        if name in PROBE_GATES and isinstance(child.value, dict):
            child = child.value.get("level", Node("required", child.place, child.key_place))
        level = LEVELS.get(child.value) if isinstance(child.value, str) else None
        if name not in GATES:
            problems.append(_at(child, describe_unknown(name, GATES, key=f"gates.{name}")))
        elif level is None:
            got, allowed = repr(child.value), ", ".join(LEVELS)
            problems.append(_at(child, Problem(got=got, allowed=allowed, key=f"gates.{name}")))
        else:
            levels[name] = level
    return levels


def _read_probe_gates(
    node: Node | None, known: Mapping[str, ProbeGate], problems: list[Problem]
) -> dict[str, ProbeGate]:
    """The gates of probes whose bound or fewest readings a block changes."""
    found: dict[str, ProbeGate] = {}
    for name, child in _entries(node, "gates", []):
        if name not in known or not isinstance(child.value, dict):
            continue
        changes = {}
        for key, value in child.value.items():
            place = f"gates.{name}.{key}"
            if key == "level":
                continue
            if key not in _BLOCK_RANGES:
                problems.append(_at(value, describe_unknown(key, BLOCK_KEYS, key=place)))
            elif problem := _find_number_problem(value.value, _BLOCK_RANGES[key], key=place):
                problems.append(_at(value, problem))
            else:
                changes[key] = value.value
        found[name] = replace(known[name], **changes)
    return found


def _find_number_problem(value: object, span: tuple[float, float], *, key: str) -> Problem | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and span[0] <= float(str(value)) <= span[1]:
        return None
    return Problem(got=repr(value), allowed=f"a number from {span[0]:g} to {span[1]:g}", key=key)


def _read_thresholds(node: Node | None, problems: list[Problem]) -> dict[str, float]:
    changes: dict[str, float] = {}
    for name, child in _entries(node, "thresholds", problems):
        problem = find_threshold_problem(name, child.value, key=f"thresholds.{name}")
        if problem is not None:
            problems.append(_at(child, problem))
        else:
            changes[name] = child.value
    return changes


def _entries(node: Node | None, key: str, problems: list[Problem]) -> list[tuple[str, Node]]:
    if node is None:
        return []
    if not isinstance(node.value, dict):
        problems.append(_at(node, Problem(got=repr(node.value), allowed="a mapping", key=key)))
        return []
    return list(node.value.items())


def _at(node: Node, problem: Problem) -> Problem:
    place = node.key_place
    return replace(problem, file=place.file, line=place.line, column=place.column)
