"""The results file: every cell in short, from which all tables are printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.models.base import find_base
from benchmarks.safety.cells import Cell, list_cells
from benchmarks.safety.defences import list_defence_cells, load_defence
from benchmarks.safety.outcomes import judge_record
from benchmarks.safety.store import BASE, find_keys, load_record

FOLDER = Path(__file__).parents[1] / "results"


def collect_results(cells: Sequence[Cell]) -> dict[str, Any]:
    """``{"date", "base", "num_cells", "cells", "defences"}`` of the cells that are measured.

    Those that older code measured count, too; verdicts are those of the present policies.
    """
    keys = find_keys(cells)
    found = []
    for cell in cells:
        record = load_record(cell, keys[cell])
        if record is not None and all(mode in record for mode in cell.modes):
            found.append(judge_record(cell, record))
    defences = [load_defence(cell) for cell in list_defence_cells()]
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "base": {"name": BASE, "sha256": find_base(BASE).sha256},
        "num_cells": len(list_cells()),
        "cells": found,
        "defences": [one for one in defences if one is not None],
    }


def save_results(results: dict[str, Any], *, folder: Path = FOLDER) -> Path:
    """Write the day's file, a line for each cell."""
    head = {name: value for name, value in results.items() if name not in ("cells", "defences")}
    path = folder / f"safety-{results['date']}.json"
    text = json.dumps(head, ensure_ascii=False)[:-1]
    for name in ("cells", "defences"):
        lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in results.get(name, []))
        text += f',\n"{name}": [\n{lines}\n]'
    path.write_text(text + "}\n", "utf-8")
    return path


def load_results(path: Path | None = None) -> dict[str, Any]:
    """What `save_results` wrote; by default the newest."""
    path = path or max(FOLDER.glob("safety-*.json"))
    results: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return results
