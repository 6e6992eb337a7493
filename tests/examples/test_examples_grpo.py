"""The example of reinforcement: its rows, a cut-down run, and (slow) the whole of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from assay.config import load
from assay.pipeline import run_recipe
from assay.pipeline.tune_run import run_tuning
from assay.runs.metrics import read_lines

EXAMPLE = Path(__file__).parents[2] / "examples" / "grpo"

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def test_the_rows_of_sums_reproduce(tmp_path: Path) -> None:
    out = tmp_path / "sums.jsonl"
    subprocess.run([sys.executable, str(EXAMPLE / "make_data.py"), str(out)], check=True)
    assert out.read_bytes() == (EXAMPLE / "data" / "sums.jsonl").read_bytes()


def test_a_few_steps_raise_the_reward_of_their_prompts(tmp_path: Path) -> None:
    """Every step asks the same 16 prompts, so rewards differ by what was learned."""
    few = [
        "data.train.0.limit=23",
        "train.max_steps=8",
        "train.warmup_ratio=0",
        "train.learning_rate=0.003",
        f"output={tmp_path}",
    ]
    run = run_tuning(load(EXAMPLE, few)).run
    rewards = [record["train/reward"] for record in read_lines(run.metrics)]
    assert sum(rewards[-2:]) / 2 > sum(rewards[:2]) / 2 + 0.3


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_example_of_reinforcement_is_released(tmp_path: Path, seed: int) -> None:
    outcome = run_recipe(load(EXAMPLE, [f"output={tmp_path}", f"seed={seed}"]))
    task = outcome.evaluation["suites"]["task"]
    assert task["tuned"]["mean"] > task["base"]["mean"] + 0.25
    assert outcome.released or seed
