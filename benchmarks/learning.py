"""What reinforcement learns on `tiny`, beside best-of-n and beside the right answers themselves.

    python -m benchmarks learning [--seeds 0 1 2] [--cases grpo rejection …]

A case is the run of an example with the gates `minimal`: those of `examples/grpo` have equally many
prompts, completions and optimizer steps at one learning rate, `sft` learns the same questions'
right answers, and `tools` is `examples/grpo-tools`. The checkpoint is chosen on held-out prompts,
the figures are of test prompts that nothing chose. One JSON line a run: mean reward (of `sft` the
share of right numbers) of base and tuned model, greedy, with its interval; what became of general
skill and of refusals, in points; and CPU-seconds.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"
SUMS, TOOLS = EXAMPLES / "grpo", EXAMPLES / "grpo-tools"
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
CASES = (*OBJECTIVES, "sft", "tools")
GUARDS = ("retention", "refusal")


def write_answers(folder: Path) -> Path:
    """The questions of the sums with the right numbers as answers."""
    rows = map(json.loads, (SUMS / "data" / "sums.jsonl").read_text("utf-8").splitlines())
    told = (
        {"messages": [*row["messages"], {"role": "assistant", "content": f"{row['answer']}"}]}
        for row in rows
    )
    path = folder / "answers.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in told), encoding="utf-8")
    return path


def choose_settings(case: str, folder: Path) -> tuple[Path, list[str]]:
    """The example of a case, and what of its recipe is otherwise."""
    if case == "tools":
        return TOOLS, []
    if case == "sft":
        rows = write_answers(folder)
        given = [f"data.train.0.path={rows}", "evaluate.metric=number", "evaluate.shots=[0]"]
        return SUMS, ["objective=sft", *given]
    return SUMS, [f"objective={{{OBJECTIVES[case]}, {GRADER}, max_new_tokens: 12}}"]


def measure(case: str, seed: int) -> dict[str, Any]:
    """One run to its verdict."""
    from assay.config import load
    from assay.pipeline import run_recipe
    from assay.pipeline.progress import PlainProgress

    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        example, settings = choose_settings(case, Path(folder))
        given = [*settings, f"seed={seed}", f"output={folder}", "gates=minimal"]
        outcome = run_recipe(load(example, given), progress=PlainProgress(io.StringIO()))
    suites = outcome.evaluation["suites"]
    task, tuned = suites["task"], suites["task"]["tuned"]
    return {
        "case": case,
        "seed": seed,
        "base": task["base"]["mean"],
        "tuned": tuned["mean"],
        "interval": [round(tuned["low"], 3), round(tuned["high"], 3)],
        **{name: _find_change(suites, name) for name in GUARDS},
        "best_step": outcome.evaluation["train"]["best_step"],
        "cpu_s": round(time.process_time() - started),
    }


def _find_change(suites: dict[str, Any], name: str) -> float | None:
    """Tuned less base, in points."""
    if name not in suites:
        return None
    base, tuned = (suites[name][variant]["mean"] for variant in ("base", "tuned"))
    return round(100 * (tuned - base), 1)


def main(arguments: Sequence[str] | None = None) -> None:
    import torch

    parser = argparse.ArgumentParser("python -m benchmarks learning", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=["grpo", "rejection"])
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for seed in given.seeds:
        for case in given.cases:
            print(json.dumps(measure(case, seed)), flush=True)


if __name__ == "__main__":
    main()
