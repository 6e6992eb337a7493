"""From a recipe to its first optimizer step: 2,000 rows on `tiny`, with no token cache and with.

Each measurement is a process of its own on one thread that imports first and then counts; the
baseline is left out, since it is as long as its answers are.
"""

from __future__ import annotations

import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NUM_ROWS = 2000
REPEATS = 3
RECIPE = """\
base: tiny
data: {train: rows.jsonl}
method: lora
"""


def first_step() -> None:
    """Seconds of CPU and wall from the recipe to the first optimizer step, cold and warm."""
    measured: dict[str, list[dict[str, dict[str, float]]]] = {"cold": [], "warm": []}
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder))
        for number in range(REPEATS):
            for name in measured:
                measured[name].append(_measure(Path(folder), cache=f"cache-{number}"))
    print(f"{NUM_ROWS} rows to the first optimizer step after imports, medians of {REPEATS}")
    for name, results in measured.items():
        for phase in results[0]:
            cpu, wall = (
                statistics.median(one[phase][unit] for one in results) for unit in ("cpu", "wall")
            )
            print(f"  {name:<5} {phase:<22} {cpu:5.2f} CPU-s {wall:6.2f} s")


def write_rows(folder: Path) -> None:
    """A recipe beside its rows: chats of log-normal length, about 113 tokens, 60 % of them prompt.

    Most have one question, some two or three; the words are invented.
    """
    rng = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randrange(2, 9))) for _ in range(1000)]

    def say(role: str, num_words: float) -> dict[str, str]:
        count = max(1, round(num_words))
        return {"role": role, "content": " ".join(rng.choices(words, k=count))}

    def converse() -> list[dict[str, str]]:
        num_words, turns = rng.lognormvariate(3.1, 0.7), rng.choice((1, 1, 1, 2, 3))
        shares = (("user", 0.6), ("assistant", 0.4))
        return [
            say(role, share * num_words / turns) for _ in range(turns) for role, share in shares
        ]

    rows = [{"messages": converse()} for _ in range(NUM_ROWS)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(text, encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")


def _measure(folder: Path, *, cache: str) -> dict[str, dict[str, float]]:
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_step", str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "ASSAY_CACHE": str(folder / cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    seconds: dict[str, dict[str, float]] = json.loads(finished.stdout.splitlines()[-1])
    return seconds


class _Clock:
    """CPU-seconds of this process and those it waited for, and wall seconds, by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}
        self.began = self.last = self._now()

    def phase(self, name: str) -> None:
        now = self._now()
        self.seconds[name] = {unit: now[unit] - self.last[unit] for unit in now}
        self.last = now

    def total(self) -> dict[str, dict[str, float]]:
        return {
            **self.seconds,
            "in all": {unit: self.last[unit] - self.began[unit] for unit in self.last},
        }

    @staticmethod
    def _now() -> dict[str, float]:
        return {"cpu": sum(os.times()[:4]), "wall": time.perf_counter()}


def take_first_step(folder: Path) -> dict[str, dict[str, float]]:
    """CPU and wall seconds of each phase of one run in `folder` up to its first step."""
    import peft  # noqa: F401  (imports are not counted)
    import torch
    import transformers  # noqa: F401

    from assay.models.base import load_model
    from assay.pipeline.batches import build_rows
    from assay.pipeline.check import load_checked
    from assay.pipeline.method import add_method
    from assay.pipeline.precision import choose_precision
    from assay.pipeline.prepare import prepare
    from assay.pipeline.progress import PlainProgress
    from assay.pipeline.run import begin_run, open_job
    from assay.pipeline.tokens import select_sequences
    from assay.pipeline.tune import self_test, training_mode, tune_steps
    from assay.train import sft

    torch.set_num_threads(1)
    gc.collect()  # else looking through what imports left falls into whichever phase is due
    loaded = load_checked(folder / "recipe.yaml", [f"output={json.dumps(str(folder / 'runs'))}"])
    run = begin_run(loaded)
    clock = _Clock()
    job = open_job(loaded, run, PlainProgress())
    clock.phase("find the base")
    prepared = prepare(job)
    clock.phase("rows and tokens")
    model: Any = load_model(job.base, dtype=choose_precision(job.recipe).weights)
    model = add_method(job, model).get_base_model()
    rows = build_rows(job, select_sequences(prepared))
    clock.phase("model and adapter")
    difference = self_test(job, rows, model)
    clock.phase("isolation self-test")
    with training_mode(job, model), _timed(sft, "compute_mean_loss", clock, "validation loss"):
        steps = tune_steps(job, rows, model, difference=difference, resume=False)
        next(steps)
        clock.phase("first step")
    steps.close()
    return clock.total()


@contextmanager
def _timed(module: Any, name: str, clock: _Clock, phase: str) -> Iterator[None]:
    """Make each call of a module's function a phase of its own, for a while."""
    call = getattr(module, name)

    def call_and_count(*args: Any, **settings: Any) -> Any:
        result = call(*args, **settings)
        clock.phase(phase)
        return result

    setattr(module, name, call_and_count)
    try:
        yield
    finally:
        setattr(module, name, call)


if __name__ == "__main__":
    print(json.dumps(take_first_step(Path(sys.argv[1]))))
