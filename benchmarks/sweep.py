"""Four learning rates as one sweep against four runs in turn: time, memory, and equal adapters.

Both sides are whole commands, from the recipe to the verdict, each in a process of its own on one
thread; of every question set the same few items are asked, so that training is what counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

RATES = (5e-4, 1e-3, 2e-3, 4e-3)
RECIPE = """\
base: tiny
data: {train: messages.jsonl, validation_ratio: 0.15, test_ratio: 0.2}
method: lora
train: {epochs: 4, batch_size: 8}
evaluate: {metric: classification, max_new_tokens: 8, max_items: 24}
"""


@dataclass(frozen=True)
class Measured:
    """One command: the run folder it left, seconds of wall and CPU, peak memory in MiB."""

    run: Path
    wall_s: float
    cpu_s: float
    peak_mib: float


def sweep() -> None:
    """A sweep over four learning rates against four runs: wall, CPU and peak-memory ratios."""
    with tempfile.TemporaryDirectory() as folder:
        _assay(Path(folder), "init", "desk")
        desk = Path(folder, "desk")
        (desk / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
        alone = [_measure(desk, "run", f"train.learning_rate={rate}") for rate in RATES]
        together = _measure(desk, "sweep", f"sweep.learning_rate={list(RATES)}")
        _print(alone, together)


def _print(alone: list[Measured], together: Measured) -> None:
    candidates = [together.run / "sweep" / f"c{n}" for n in range(1, len(RATES) + 1)]
    same = [
        _hash(one.run) == _hash(candidate) for one, candidate in zip(alone, candidates, strict=True)
    ]
    wall, cpu = (sum(getattr(one, name) for one in alone) for name in ("wall_s", "cpu_s"))
    peak = max(one.peak_mib for one in alone)
    steps = (_step_seconds(candidates), _step_seconds(one.run for one in alone))
    print(f"four learning rates, {_count_steps(candidates[0])} steps each: sweep against four runs")
    rows = (
        ("wall", together.wall_s, wall, "s"),
        ("CPU", together.cpu_s, cpu, "s"),
        ("wall within steps", *steps, "s"),
        ("peak memory of a process", together.peak_mib, peak, "MiB"),
    )
    for name, ours, theirs, unit in rows:
        print(f"  {name:<25} {ours:7.1f} {unit:<3} {theirs:7.1f} {unit:<3} {ours / theirs:5.2f}")
    print(f"  adapters equal bit for bit: {sum(same)} of {len(same)}")


def _measure(desk: Path, verb: str, override: str) -> Measured:
    start = time.perf_counter()
    output = desk / f"{verb}-{override}"
    process = _start(desk, verb, "recipe.yaml", override, f"output={json.dumps(str(output))}")
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 3):
        raise SystemExit(f"assay {verb} {override} ended with {code}")
    (run,) = output.iterdir()
    return Measured(run, wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _assay(folder: Path, *arguments: str) -> None:
    if _start(folder, *arguments).wait():
        raise SystemExit(f"assay {' '.join(arguments)} failed")


def _start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    code = "import sys; from assay.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _hash(run: Path) -> str:
    return sha256((run / "adapter" / "adapter_model.safetensors").read_bytes()).hexdigest()


def _read(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


def _count_steps(run: Path) -> int:
    return len(_read(run))


def _step_seconds(runs: Iterable[Path]) -> float:
    """Wall seconds within optimizer steps, from each step's tokens and their rate."""
    total = 0.0
    for run in runs:
        tokens = 0.0
        for record in _read(run):
            total += (record["tokens"] - tokens) / record["tokens_per_s"]
            tokens = record["tokens"]
    return total
