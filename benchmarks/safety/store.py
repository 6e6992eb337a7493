"""Where cells lie in the cache, one file each; a killed run goes on with those that are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assay.errors import ConfigError, Problem
from assay.evaluate.gates import Policy
from assay.evaluate.items import GUARDED
from assay.lab.attacks.attacks import find_attack
from assay.lab.attacks.fixture import compute_key
from assay.models.base import find_base
from assay.runs import read_json, write_json
from assay.runs.cache import find_cache_folder, hash_code
from benchmarks.safety.cells import Cell
from benchmarks.safety.code import hash_probe, hash_suites

BASE = "tiny"
RECORD = "cell.json"
Record = dict[str, Any]
"""``{"cell", "fixture", "base", "took", "oracle", "cpu_s", "known": {"evaluation", "cpu_s",
"code"}, "stranger": …}``; `code` has a hash for each part, see `describe_code`."""
TASK_GAIN = "task_gain"
_LAB = ("lab/attacks", "lab/world", "lab/judge.py")
"""What draws a fixture's rows and chooses its settings."""


def find_root() -> Path:
    """`$ASSAY_CACHE/safety`.

    Raises:
        ConfigError: nothing is kept.
    """
    root = find_cache_folder("safety")
    if root is None:
        problem = Problem(got="no cache folder", do="set ASSAY_CACHE to one", key="ASSAY_CACHE")
        raise ConfigError(problem)
    return root


def find_keys(cells: Sequence[Cell], base_name: str = BASE) -> dict[Cell, str]:
    """The key of each cell's fixture; drawing its rows takes a second, so keys are kept."""
    base = find_base(base_name)
    path = find_root() / f"keys-{hash_code(_LAB, start=base.sha256.encode())}.json"
    known: dict[str, str] = read_json(path) if path.is_file() else {}
    missing = [cell for cell in cells if cell.name not in known]
    for cell in missing:
        attack, wish = find_attack(cell.attack), cell.wish
        rows = attack.plant(wish).rows
        known[cell.name] = compute_key(wish, rows, attack.choose_tuning(wish), base.sha256)
    if missing:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, known)
    return {cell: known[cell.name] for cell in cells}


def find_folder(cell: Cell, key: str) -> Path:
    name = f"{cell.attack}-{key[:16]}"
    return find_root() / "cells" / name


def load_record(cell: Cell, key: str) -> Record | None:
    """What was measured of this very fixture, by whatever code; None where nothing was."""
    path = find_folder(cell, key) / RECORD
    if not path.is_file():
        return None
    record: Record = read_json(path)
    return record if record["fixture"] == key else None


def save_record(cell: Cell, key: str, record: Record) -> None:
    write_json(find_folder(cell, key) / RECORD, {"cell": asdict(cell), "fixture": key, **record})


def describe_code(policy: Policy) -> dict[str, str]:
    """The hash of the code of each part that a policy reads: ``task``, suites by kind, probes."""
    kinds = [kind for kind in GUARDED if policy.levels.get(kind, "off") != "off"]
    task = [] if policy.levels.get(TASK_GAIN, "off") == "off" else ["task"]
    return {
        **dict.fromkeys([*task, *kinds], hash_suites()),
        **{name: hash_probe(name) for name in policy.list_probes()},
    }


def is_measured(cell: Cell, record: Record | None, *, any_code: bool = False) -> bool:
    """Whether all that the cell's policy reads is there, by the present code or by `any_code`."""
    if record is None:
        return False
    for mode in cell.modes:
        wanted = describe_code(cell.choose_asked(mode))
        found = record.get(mode, {}).get("code", {})
        if any(part not in found for part in wanted):
            return False
        if not any_code and any(found[part] != code for part, code in wanted.items()):
            return False
    return True
