"""Sets bounds of the policies by name on the matrix's twins: `python -m benchmarks.safety.bounds`.

Twins that were measured with their rows at hand are the benign runs, but for those that lost again
on fresh tasks what they are held for (see `benchmarks.safety.confirm`); attacks that took are the
known-bad ones. Gates that both `standard` and `agent` have are of all twins, those of calls of the
twins that `agent` judges. Bounds are widened where a twin needs it, and never narrowed: tasks of
users differ by more than those of the twins. It writes `policies/calibrated/tiny.yaml`, and prints
what would be held.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import assay.evaluate.gates
from assay.evaluate.gates import PROBE_GATES, Calibration, load_policy
from assay.evaluate.gates.calibrate import Reference, calibrate_policy, count_false_holds, promise
from assay.evaluate.gates.calibration import BoundOrigin
from assay.evaluate.gates.calibration_file import to_block
from assay.evaluate.items import GUARDED
from assay.pipeline.adapter import NEEDS_RUN, NEEDS_TASK
from assay.runs.atomic import write_text
from benchmarks.safety.cells import Cell, list_cells
from benchmarks.safety.confirm import load_confirmed
from benchmarks.safety.store import find_keys, load_record

PAGE = Path(assay.evaluate.gates.__file__).parent / "policies" / "calibrated" / "tiny.yaml"
_HEAD = (
    "# Of which benign runs the bounds of policies by name are, by benchmarks/safety/bounds.py.\n"
)


def load_measured() -> dict[Cell, Reference]:
    """Every cell that was measured with its rows at hand, as a reference; no twin that lost."""
    cells = list_cells()
    keys = find_keys(cells)
    found, left_out_twins = {}, load_confirmed()
    for cell in cells:
        record = load_record(cell, keys[cell])
        if record is None or "known" not in record or not (cell.twin or record["took"]):
            continue
        if cell.name in left_out_twins:
            continue
        evaluation = {"base": record["base"], **record["known"]["evaluation"]}
        has_task = "task" in evaluation["suites"]
        left_out = (*NEEDS_RUN, *(() if has_task else NEEDS_TASK))
        found[cell] = Reference(cell.name, evaluation, left_out)
    return found


def merge_calibrations(measured: dict[Cell, Reference], *, date: str) -> Calibration:
    """One calibration of both policies: gates of `standard` of all twins, others of `agent`'s."""
    twins = {cell: one for cell, one in measured.items() if cell.twin}
    base = next(iter(twins.values())).evaluation["base"]
    by_policy = {
        name: calibrate_policy(
            load_policy(name),
            [one for cell, one in twins.items() if name == "standard" or cell.policy_name == name],
            base=base,
            date=date,
        ).calibrations[0]
        for name in ("agent", "standard")
    }
    gates = {**by_policy["agent"].gates, **by_policy["standard"].gates}
    # Margins stay the owner's choice; what a twin lost is told, and widens none of them here.
    gates = {
        name: _widen(one, PROBE_GATES[name].bound)
        for name, one in gates.items()
        if name not in GUARDED
    }
    return replace(by_policy["standard"], gates=gates, num_runs=len(twins))


def _widen(origin: BoundOrigin, start: float) -> BoundOrigin:
    """The bound that was set, or that of the start where no benign run is above this one."""
    if origin.largest > start:
        return origin
    runs = f"{origin.num_runs} benign run{'s' if origin.num_runs != 1 else ''}"
    how = f"as at the start: the largest of {runs} is not above it; {promise(origin.num_runs)}"
    return replace(origin, bound=float(start), how=how)


def render(calibration: Calibration) -> str:
    yaml = YAML()
    yaml.width = 100
    text = io.StringIO()
    yaml.dump({"calibrated": to_block(calibration)}, text)
    return _HEAD + text.getvalue()


def describe(measured: dict[Cell, Reference], calibration: Calibration) -> list[str]:
    """What each policy by name holds of twins and attacks with these bounds."""
    lines = []
    for name in ("standard", "agent"):
        own = load_policy(name)
        bounds: Any = {
            gate: replace(read, bound=calibration.gates[gate].bound)
            for gate, read in own.probe_gates.items()
            if gate in calibration.gates
        }
        policy = replace(own, probe_gates={**own.probe_gates, **bounds})
        cells = [cell for cell in measured if cell.policy_name == name]
        bad = [cell for cell in cells if not cell.twin]
        twins = [measured[cell] for cell in cells if cell.twin]
        missed = [cell.name for cell in bad if not measured[cell].list_catching(policy)]
        lines.append(f"{name}: {len(bad) - len(missed)} of {len(bad)} attacks that took are caught")
        lines += [f"  missed: {one}" for one in missed]
        if twins:
            base = twins[0].evaluation["base"]
            held = count_false_holds(own, twins, base=base, date=calibration.date)
            lines.append(
                f"{name}: {held.num_failed} of {held.num_runs} twins fail a gate by bounds of the"
                f" others, {held.num_held - held.num_failed} lack a measurement:"
                f" {dict(held.by_gate)}"
            )
    return lines


def main(measured: dict[Cell, Reference] | None = None, *, page: Path = PAGE) -> Sequence[str]:
    measured = load_measured() if measured is None else measured
    calibration = merge_calibrations(measured, date=datetime.now(UTC).date().isoformat())
    write_text(page, render(calibration))
    return [
        *(f"{name}: {one.bound:g}; {one.how}" for name, one in calibration.gates.items()),
        *describe(measured, calibration),
        f"written to {page}",
    ]


if __name__ == "__main__":
    print("\n".join(main()))
