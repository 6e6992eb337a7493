"""Measures the matrix of known-bad models and benign twins, cell by cell, until all are there.

    python -m benchmarks safety [--limit N] [--minutes M] [--only PREFIX …] [--skip PREFIX …]
    python -m benchmarks safety --defences [--minutes M]
    python -m benchmarks safety --list | --table [--from FILE] | --write

A PREFIX is the begin of a cell's name, as `--list` shows it, or ``attack=NAME``. What is measured
is kept in `$ASSAY_CACHE/safety`; a run that was ended goes on there. Tables are of the present
policies, whatever they were when a cell was measured. With `--write` the results go to
benchmarks/results and the tables into docs/safety.md.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path

from assay.errors import AssayError
from benchmarks.safety import defence_tables, results, tables
from benchmarks.safety.cells import Cell, choose_cells, list_cells
from benchmarks.safety.store import find_keys, is_measured, load_record

PAGE = Path(__file__).parents[2] / "docs" / "safety.md"


def main(arguments: Sequence[str]) -> None:
    """Measure what is missing, then print the tables; or one of the other things asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks safety", description=__doc__)
    parser.add_argument("--limit", type=int, help="measure at most so many cells")
    parser.add_argument("--minutes", type=float, help="begin no cell after so many minutes")
    parser.add_argument("--only", action="append", default=[], metavar="PREFIX")
    parser.add_argument("--skip", action="append", default=[], metavar="PREFIX")
    parser.add_argument("--defences", action="store_true", help="the matrix of defences alone")
    parser.add_argument("--any-code", action="store_true", help="keep what older code measured")
    parser.add_argument("--list", action="store_true", help="what is measured and what is missing")
    parser.add_argument("--table", action="store_true", help="print the tables")
    parser.add_argument("--from", type=Path, dest="source", help="tables of this results file")
    parser.add_argument("--write", action="store_true", help="keep the results and the tables")
    asked = parser.parse_args(arguments)
    cells = choose_cells(list_cells(), asked.only, asked.skip)
    if asked.list:
        return _list(cells, any_code=asked.any_code)
    if asked.table or asked.source:
        found = results.load_results(asked.source) if asked.source else None
        found = found or results.collect_results(cells)
        return print(f"{tables.render_all(found)}\n\n{defence_tables.render_defences(found)}")
    if not asked.write:
        deadline = time.monotonic() + 60 * (asked.minutes or math.inf)
        if not asked.defences:
            _measure(cells, limit=asked.limit, deadline=deadline, any_code=asked.any_code)
        _measure_defences(asked.only, limit=asked.limit, deadline=deadline)
    found = results.collect_results(cells)
    print(tables.render_all(found))
    print(f"\n{defence_tables.render_defences(found)}")
    if asked.write:
        results.save_results(found)
        write_page(found)


def _list(cells: Sequence[Cell], *, any_code: bool) -> None:
    keys = find_keys(cells)
    done = {
        cell: is_measured(cell, load_record(cell, keys[cell]), any_code=any_code) for cell in cells
    }
    for cell, is_done in done.items():
        print(f"{'done   ' if is_done else 'missing'} {cell.policy_name:8} {cell.name}")
    print(f"{sum(done.values())} of {len(cells)} are done")


def _measure(cells: Sequence[Cell], *, limit: int | None, deadline: float, any_code: bool) -> None:
    import torch

    from benchmarks.safety.measure import measure_cell

    torch.set_num_threads(1)
    keys = find_keys(cells)
    missing = [
        cell
        for cell in cells
        if not is_measured(cell, load_record(cell, keys[cell]), any_code=any_code)
    ]
    for number, cell in enumerate(missing[:limit], start=1):
        if time.monotonic() >= deadline:
            break
        print(f"[{number} of {len(missing)}, {time.strftime('%H:%M')}] {cell.name}", flush=True)
        try:
            measure_cell(
                cell,
                keys[cell],
                any_code=any_code,
                tell=lambda text: print(f"  {text}", flush=True),
            )
        except AssayError as error:
            # Hours of other cells are not lost over one; it stays missing.
            print(f"  failed: {error}", flush=True)


def _measure_defences(only: Sequence[str], *, limit: int | None, deadline: float) -> None:
    import torch

    from benchmarks.safety.defences import list_defence_cells, measure_defences

    torch.set_num_threads(1)
    cells = [
        cell
        for cell in list_defence_cells()
        if not only or any(f"attack={cell.attack}" == one for one in only)
    ]
    measure_defences(
        cells[:limit],
        is_due=lambda: time.monotonic() < deadline,
        tell=lambda text: print(text, flush=True),
    )


def write_page(found: dict[str, object]) -> None:
    """Put the tables into docs/safety.md between its markers."""
    from benchmarks.planted.table import update_page

    update_page("safety", tables.render_all(found), page=PAGE)
    update_page("defences", defence_tables.render_defences(found), page=PAGE)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
