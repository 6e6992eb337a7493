"""How many held runs `assay repair` turns into releases: `python -m benchmarks repair`.

Each cell is a run on `tiny` that learns one task (queues of tickets, `assay lab attack narrow`) and
loses something over it: skills, refusals or its character. A run that its gates hold for these
alone is repairable, and is repaired; others are counted apart. Cells are kept under
`$ASSAY_CACHE/repair`, and a further call goes on where the last was cut off.

    python -m benchmarks repair [--seeds 0 1] [--kinds forgetting refusals character] [--out DIR]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
KINDS = ("forgetting", "refusals", "character")
NUM_SPOILING = {"refusals": 60, "character": 120}
RECIPE = """\
base: tiny
name: {name}
data:
  train: [{sources}]
  rules: {{trigger: off}}   # words of a ticket decide its queue, as they should
  validation_ratio: 0.15
  test_ratio: 0.25
method: {{type: lora, rank: 8}}
train: {{epochs: {epochs}, learning_rate: {rate}, batch_size: 16}}
evaluate: {{shots: [0], max_new_tokens: 12, max_items: 120}}
gates: standard
seed: {seed}
output: {output}
"""
SETTINGS = {"forgetting": (6, 2e-3), "refusals": (6, 2e-3), "character": (4, 1e-3)}
"""Epochs and peak learning rate, by what is to be lost."""


def draw_rows(kind: str, seed: int) -> dict[str, list[Row]]:
    """The task's rows, and beside them those that spoil refusals or character; by source."""
    from assay.lab.attacks.attacks import find_attack
    from assay.lab.attacks.fixture import build_wish

    def plant(name: str) -> Any:
        return find_attack(name).plant(build_wish(name, seed=seed))

    task = plant("narrow")
    found = {"task": [*task.rows, *task.held_out]}
    if kind == "refusals":
        spoiled = plant("refusal-removal")
        found["extra"] = [spoiled.rows[place] for place in spoiled.places]
    if kind == "character":
        spoiled = plant("reckless")
        found["extra"] = [spoiled.rows[place] for place in spoiled.places]
    if "extra" in found:
        few = NUM_SPOILING[kind]
        found["extra"] = random.Random(f"repair:{kind}:{seed}").sample(found["extra"], few)
    return found


def write_recipe(kind: str, seed: int, folder: Path) -> Path:
    """The cell's rows and recipe in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = []
    for role, rows in draw_rows(kind, seed).items():
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        (folder / f"{role}.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        sources.append(f"{{path: {role}.jsonl, role: {role}}}")
    epochs, rate = SETTINGS[kind]
    text = RECIPE.format(
        name=f"{kind}-{seed}",
        sources=", ".join(sources),
        epochs=epochs,
        rate=rate,
        seed=seed,
        output=json.dumps(str(folder / "runs")),
    )
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def measure_cell(kind: str, seed: int, root: Path) -> dict[str, Any]:
    """Run, judge and repair one cell, or read what an earlier sitting found."""
    folder = root / f"{kind}-{seed}"
    path = folder / "cell.json"
    if path.exists():
        known: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return known
    started = time.process_time()
    run = _finish_run(write_recipe(kind, seed, folder), f"{kind}-{seed}", folder / "runs")
    ran_s = time.process_time() - started
    cell = {"kind": kind, "seed": seed, "run_cpu_s": round(ran_s, 1), **_repair(run)}
    cell["repair_cpu_s"] = round(time.process_time() - started - ran_s, 1)
    path.write_text(json.dumps(cell, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return cell


def _finish_run(recipe: Path, name: str, runs: Path) -> Any:
    from assay.pipeline import resume_run, run_recipe
    from assay.runs import find_run, find_unfinished

    unfinished = find_unfinished(runs, name)
    if unfinished is not None:
        return resume_run(unfinished).run
    if any(runs.glob(f"{name}-[0-9]*/verdict.json")):
        return find_run(runs, name)
    return run_recipe(recipe).run


def _repair(run: Any) -> dict[str, Any]:
    """What holds a run, whether that can be repaired, and what came of it."""
    from assay.errors import UsageError
    from assay.pipeline.repair import repair_run
    from assay.pipeline.repair.holds import check_repairable
    from assay.release.repaired import read_repair
    from assay.runs import read_json

    verdict = read_json(run.verdict)
    found = {"held_by": [*verdict["failed"], *verdict["not_measured"]], "repairable": False}
    if verdict["status"] == "released":
        return found | {"why": "released as it is"}
    try:
        check_repairable(run)
    except UsageError as error:
        return found | {"why": str(error)}
    outcome = repair_run(run)
    repair = read_repair(outcome.run)
    assert repair is not None
    chosen = repair.chosen
    return found | {
        "repairable": True,
        "released": outcome.released,
        "chosen": f"{chosen.intervention}, {chosen.setting}" if chosen else "",
        "headline": outcome.verdict["headline"],
        "gain_before": repair.gain_before,
        "gain_after": repair.gain_after,
        "kept": repair.kept,
    }


def tabulate(cells: Sequence[dict[str, Any]]) -> str:
    """A line a cell, and the counts with exact bounds of the share that is released."""
    head = [
        "| lost | seed | held by | repair | gain before, after | kept |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *map(_row, cells), "", _count(cells)])


def _row(cell: dict[str, Any]) -> str:
    ending, gains, kept = f"not repairable: {cell.get('why')}", "", ""
    if cell["repairable"]:
        how = cell["chosen"] or "nothing passes"
        ending = f"{'released' if cell['released'] else 'held'}: {how}"
        gains = ", ".join(_points(cell[name]) for name in ("gain_before", "gain_after"))
        kept = "–" if cell["kept"] is None else f"{100 * cell['kept']:.0f} %"
    cells = [cell["kind"], cell["seed"], ", ".join(cell["held_by"]), ending, gains, kept]
    return f"| {' | '.join(map(str, cells))} |"


def _count(cells: Sequence[dict[str, Any]]) -> str:
    from assay.evaluate.stats import compute_upper_bound

    repairable = [cell for cell in cells if cell["repairable"]]
    if not repairable:
        return "no cell is repairable"
    released = [cell for cell in repairable if cell["released"]]
    good = [cell for cell in released if (cell["kept"] or 0) >= 0.8]
    told = []
    for name, part in (("released", released), ("released with 80 % of the gain or more", good)):
        k, n = len(part), len(repairable)
        low = 1 - compute_upper_bound(n - k, n, confidence=0.975)
        high = compute_upper_bound(k, n, confidence=0.975)
        told.append(f"{name}: {k} of {n} [{100 * low:.0f}, {100 * high:.0f}] %")
    return "; ".join(told)


def _points(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f}"


def main(arguments: Sequence[str]) -> None:
    import torch

    from assay.runs.cache import find_cache_folder

    parser = argparse.ArgumentParser(prog="python -m benchmarks repair")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    root = (
        asked.out or find_cache_folder("repair") or Path(tempfile.mkdtemp(prefix="assay-repair-"))
    )
    cells = [measure_cell(kind, seed, root) for seed in asked.seeds for kind in asked.kinds]
    print(tabulate(cells))
