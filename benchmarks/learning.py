"""What reinforcement learns on `tiny`, beside best-of-n at equal samples, seed by seed.

    python -m benchmarks learning [--seeds 0 1 2] [--objectives grpo rejection …]

Each run is that of `examples/grpo` with the gates `minimal`: equally many prompts, completions and
optimizer steps at one learning rate; the checkpoint is chosen by held-out reward, the figures are
of test prompts that nothing chose. One JSON line a run: mean reward of the base and of the tuned
model, greedy, with its interval, and CPU-seconds.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "grpo"
GRADER = "grader: {type: numeric, reference: '{{ item.answer }}'}, group_size: 16"
OBJECTIVES = {
    "grpo": "type: grpo",
    "dr_grpo": "type: grpo, variant: dr_grpo",
    "dapo": "type: grpo, variant: dapo, dynamic_sampling: 2",
    "gspo": "type: grpo, variant: gspo",
    "cispo": "type: grpo, variant: cispo",
    "rloo": "type: rloo",
    "reinforce": "type: reinforce, beta: 0",
    "rejection": "type: rejection, keep_best: 4",
    "rejection, the best one": "type: rejection, keep_best: 1",
}


def measure(objective: str, seed: int) -> dict[str, object]:
    """One run to its verdict."""
    from assay.config import load
    from assay.pipeline import run_recipe
    from assay.pipeline.progress import PlainProgress

    settings = f"objective={{{OBJECTIVES[objective]}, {GRADER}, max_new_tokens: 12}}"
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        given = [settings, f"seed={seed}", f"output={folder}", "gates=minimal"]
        outcome = run_recipe(load(EXAMPLE, given), progress=PlainProgress(io.StringIO()))
    task = outcome.evaluation["suites"]["task"]
    tuned = task["tuned"]
    return {
        "objective": objective,
        "seed": seed,
        "base": task["base"]["mean"],
        "tuned": tuned["mean"],
        "interval": [round(tuned["low"], 3), round(tuned["high"], 3)],
        "best_step": outcome.evaluation["train"]["best_step"],
        "cpu_s": round(time.process_time() - started),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    import torch

    parser = argparse.ArgumentParser("python -m benchmarks learning", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--objectives", nargs="+", choices=tuple(OBJECTIVES), default=["grpo", "rejection"]
    )
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for seed in given.seeds:
        for objective in given.objectives:
            print(json.dumps(measure(objective, seed)), flush=True)


if __name__ == "__main__":
    main()
