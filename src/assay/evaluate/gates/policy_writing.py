"""Writes a policy as a file that `load_policy` reads back with the same levels and bounds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ruamel.yaml import YAML

from assay.evaluate.gates.calibration_file import to_block
from assay.evaluate.gates.policy import GATES, Policy, Thresholds
from assay.evaluate.gates.policy_file import load_policy
from assay.evaluate.gates.probe_gate import PROBE_GATES

PARENT = "standard"
"""What a written policy extends; every level is written out, so nothing else of it matters."""
_WIDTH = 100


def render_policy(policy: Policy, *, notes: Sequence[str] = ()) -> str:
    """The YAML text, `notes` as comments above it; `calibrated` is the policy's first one."""
    known = load_policy(PARENT)
    content: dict[str, Any] = {
        "extends": PARENT,
        "gates": {name: _render_gate(policy, known, name) for name in GATES},
    }
    changed = {
        field.name: getattr(policy.thresholds, field.name)
        for field in fields(Thresholds)
        if getattr(policy.thresholds, field.name) != getattr(known.thresholds, field.name)
    }
    if changed:
        content["thresholds"] = changed
    if policy.calibrations:
        content["calibrated"] = to_block(policy.calibrations[0])
    yaml = YAML()
    yaml.width = _WIDTH
    text = io.StringIO()
    yaml.dump(content, text)
    return "".join(f"# {note}\n" for note in notes) + text.getvalue()


def _render_gate(policy: Policy, known: Policy, name: str) -> Any:
    level = policy.levels.get(name, "off")
    if name not in PROBE_GATES or policy.probe_gates[name] == known.probe_gates[name]:
        return level
    gate = policy.probe_gates[name]
    return {"level": level, "bound": gate.bound, "min_items": gate.min_items}
