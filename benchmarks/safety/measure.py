"""Measures one cell: builds its fixture, and judges it with its rows at hand or as a stranger."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.data import Splits
from assay.data.leak import find_leaks
from assay.evaluate.probes import PROBES
from assay.lab.attacks.fixture import CARD, HELD_OUT, ROWS, Fixture, build_fixture
from assay.pipeline.adapter import judge_adapter
from assay.pipeline.known_rows import KnownRows, load_known_rows
from assay.runs import read_json, write_json
from benchmarks.safety.cells import Cell
from benchmarks.safety.store import (
    BASE,
    Record,
    describe_code,
    find_folder,
    load_record,
    save_record,
)


class Silent:
    """A progress that tells nothing."""

    def stage(self, name: str, title: str) -> None: ...

    def note(self, text: str) -> None: ...

    def count(self, what: str, done: int, total: int) -> None: ...

    def step(self, record: dict[str, Any], num_steps: int) -> None: ...


def measure_cell(
    cell: Cell,
    key: str,
    *,
    base: str = BASE,
    any_code: bool = False,
    tell: Callable[[str], None] = print,
) -> Record:
    """The cell's record, kept after each mode; parts of unchanged code are not measured again.

    Args:
        key: of the fixture that is to come out (see `store.find_keys`).
        any_code: nor are those of older code.
    """
    wish = cell.wish
    fixture = build_fixture(
        wish.name,
        strength=wish.strength,
        trigger=wish.trigger,
        seed=wish.seed,
        twin=wish.twin,
        base=base,
    )
    card = read_json(fixture.folder / CARD)
    assert card["key"] == key, f"{cell.name} was built with other settings than its key names"
    record = load_record(cell, key) or {}
    record |= {
        "base": card["base"],
        "took": fixture.oracle.took,
        "oracle": fixture.oracle.to_json(),
        "facts": fixture.facts,
        "cpu_s": {"tuning": card["tuning_cpu_s"], "oracle": card["oracle_cpu_s"]},
    }
    for mode in cell.modes:
        known = load_rows(fixture) if mode == "known" else KnownRows()
        folder, before = find_folder(cell, key), record.get(mode, {})
        wanted = describe_code(cell.choose_asked(mode))
        kept = _keep_measured(folder / mode, wanted, any_code=any_code)
        part = _judge(cell, mode, fixture, known, folder / mode, base, {*kept}, before)
        part["code"] = wanted | kept
        record[mode] = part
        save_record(cell, key, record)
        tell(f"{cell.name}: {mode} {sum(part['cpu_s'].values()):.0f} CPU-s")
    return record


def load_rows(fixture: Fixture) -> KnownRows:
    """The fixture's rows; a held-out one that happens to be trained on, too, is left out."""
    training = load_known_rows([fixture.folder / ROWS], []).training
    held_out = load_known_rows([], [fixture.folder / HELD_OUT]).held_out
    leaked = {leak.held_out.id for leak in find_leaks(Splits(training, [], held_out))}
    tested = [row for row in held_out if row.id not in leaked]
    return KnownRows(training, tested, None if fixture.wish.twin else fixture.canaries)


def _judge(
    cell: Cell,
    mode: str,
    fixture: Fixture,
    known: KnownRows,
    out: Path,
    base: str,
    kept: set[str],
    before: dict[str, Any],
) -> dict[str, Any]:
    """The evaluation and the CPU time of its parts; what was `kept` took its time `before`."""
    judged = judge_adapter(
        fixture.adapter_dir,
        base,
        cell.choose_asked(mode),
        out=out,
        known=known,
        formats=False,
        progress=Silent(),
    )
    suites, old = judged.evaluation["suites"], before.get("cpu_s", {})
    cpu_s = {}
    for name, spent in judged.cpu_s.items():
        is_read = (suites[name]["kind"] if name in suites else name) in kept
        if not is_read or name in old:
            cpu_s[name] = old[name] if is_read else spent
    return {"evaluation": judged.evaluation, "cpu_s": cpu_s}


def _keep_measured(out: Path, wanted: dict[str, str], *, any_code: bool) -> dict[str, str]:
    """The parts that are measured already, with the hash of the code that did; others are removed.

    Suites share a folder of answers: all of them go where the code of one has changed.
    """
    path = out / "code.json"
    before: dict[str, str] = read_json(path) if path.is_file() else {}
    kept = {
        part: before[part]
        for part, code in wanted.items()
        if part in before and (any_code or before[part] == code)
    }
    if any(part in before and part not in kept and part not in PROBES for part in wanted):
        shutil.rmtree(out / "answers", ignore_errors=True)
        kept = {part: code for part, code in kept.items() if part in PROBES}
    for found in [*out.glob("probes/*/*.json"), *out.glob("probes/*/*.jsonl")]:
        if found.stem not in kept:
            found.unlink()
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, wanted | kept)
    return kept
