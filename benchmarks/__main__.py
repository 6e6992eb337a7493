"""Compares two ways in one run and prints their ratio: `python -m benchmarks [NAME …]`.

Each benchmark runs both sides alternately on one thread and reports the median CPU-seconds.
"""

from __future__ import annotations

import importlib
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.first_step import first_step
from benchmarks.sweep import sweep

REPEATS = 5


def compare(name: str, ours: Callable[[], Any], theirs: Callable[[], Any], versus: str) -> None:
    """Print the medians of both sides and how many times faster ours is."""
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    ours(), theirs()  # warm-up
    for _ in range(REPEATS):
        for key, call in (("ours", ours), ("theirs", theirs)):
            start = time.process_time()
            call()
            times[key].append(time.process_time() - start)
    a, b = (statistics.median(times[key]) for key in ("ours", "theirs"))
    print(f"{name}: {a:.3f} CPU-s against {b:.3f} of {versus}: {b / a:.2f} times faster")


def _tiny() -> Any:
    from assay.models.base import TINY, find_base, load_model

    base = find_base(TINY)
    return base, load_model(base)


def make_sequences(count: int) -> list[tuple[list[int], list[float]]]:
    rng = random.Random(0)
    lengths = [min(400, max(18, round(rng.lognormvariate(4.7, 0.6)))) for _ in range(count)]
    return [
        ([rng.randrange(16, 4096) for _ in range(n)], [0.0] * (n // 2) + [1.0] * (n - n // 2))
        for n in lengths
    ]


def training_step() -> None:
    """A packed step with supervised logits against a padded Transformers forward and backward."""
    import torch

    from assay.data.pack import build_batch
    from assay.models.forward import packed_mode
    from assay.train.sft import SftLoss

    _, model = _tiny()
    rows = make_sequences(16)
    batch = build_batch([ids for ids, _ in rows], [mask for _, mask in rows])
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    attention = torch.tensor([[1] * len(i) + [0] * (width - len(i)) for i, _ in rows])
    labels = torch.tensor(
        [
            [t if w else -100 for t, w in zip(i, m, strict=True)] + [-100] * (width - len(i))
            for i, m in rows
        ]
    )

    def packed() -> None:
        with packed_mode(model):
            SftLoss()(model, batch).backward()
        model.zero_grad()

    def padded() -> None:
        model(input_ids=ids, attention_mask=attention, labels=labels).loss.backward()
        model.zero_grad()

    compare("training step, full tuning, fp32", packed, padded, "padded Transformers")


def generation() -> None:
    """The local engine against Transformers' generate, greedy; more with arguments."""
    from benchmarks.generation import main as measure_generation

    measure_generation(["--repeats", "2", "--case", "greedy, 32 prompts"])


def alignment() -> None:
    """DPO, KTO, a reward model and GRPO, each beside TRL; more with `preference` and `grpo`."""
    from benchmarks.grpo import main as measure_grpo
    from benchmarks.preference import OBJECTIVES
    from benchmarks.preference import main as measure_preferences

    for objective in OBJECTIVES:
        measure_preferences(["--objective", objective, "--pairs", "16"])
    measure_grpo(["--steps", "1"])


def command_help() -> None:
    """`assay --help` against a bare interpreter, in wall seconds: each is its own process."""

    def wall(*command: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - start

    code = "import sys; from assay.cli import main; sys.exit(main(['--help']))"
    help_s = statistics.median(wall("-c", code) for _ in range(REPEATS))
    bare_s = statistics.median(wall("-c", "pass") for _ in range(REPEATS))
    print(f"assay --help: {help_s:.2f} s, {help_s / bare_s:.1f} times a bare interpreter's start")


def data() -> None:
    """`assay data check` on 4,000 rows of a kilobyte, every rule; more with arguments."""
    from benchmarks.data import main as measure_checks

    measure_checks(["--rows", "4000", "--case", "all rules"])


BENCHMARKS = {
    f.__name__: f
    for f in (command_help, first_step, training_step, generation, alignment, sweep, data)
}


_OWN_COMMANDS = {
    "peers": "benchmarks.compare",
    "gpu": "benchmarks.gpu",
    "planted": "benchmarks.planted.__main__",
    "safety": "benchmarks.safety.__main__",
    "learning": "benchmarks.learning",
    "aligning": "benchmarks.aligning",
    "grpo": "benchmarks.grpo",
    "preference": "benchmarks.preference",
    "rlhf": "benchmarks.rlhf",
    "repair": "benchmarks.repair",
    "generation": "benchmarks.generation",
    "guard": "benchmarks.guard",
    "policed": "benchmarks.policed",
    "router": "benchmarks.router",
    "data": "benchmarks.data",
}
"""Names whose module's `main` takes the arguments after them."""


def main() -> None:
    name, *rest = sys.argv[1:] or [""]
    if name in _OWN_COMMANDS and (rest or name not in BENCHMARKS):
        importlib.import_module(_OWN_COMMANDS[name]).main(rest)
        return
    import torch

    torch.set_num_threads(1)
    for each in sys.argv[1:] or BENCHMARKS:
        BENCHMARKS[each]()


if __name__ == "__main__":
    main()
