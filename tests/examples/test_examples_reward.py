"""The example of a reward model: its rows, a cut-down run, and (slow) the whole of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from assay.config import load
from assay.pipeline import run_recipe

EXAMPLE = Path(__file__).parents[2] / "examples" / "reward-model"

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def test_the_rows_of_a_reward_model_reproduce(tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    subprocess.run([sys.executable, str(EXAMPLE / "make_data.py"), str(out)], check=True)
    assert out.read_bytes() == (EXAMPLE / "data" / "pairs.jsonl").read_bytes()


def test_a_cut_down_run_of_a_reward_model_tells_better_answers(tmp_path: Path) -> None:
    few = ["train.epochs=0.5", "evaluate.shots=[0]", "evaluate.max_items=40"]
    outcome = run_recipe(load(EXAMPLE, [*few, f"output={tmp_path}"]))
    task = outcome.evaluation["suites"]["task"]
    assert task["tuned"]["mean"] > task["base"]["mean"] + 0.1
    assert outcome.verdict["status"] in ("released", "held")


@pytest.mark.slow
def test_the_example_of_a_reward_model_is_released(tmp_path: Path) -> None:
    outcome = run_recipe(load(EXAMPLE, [f"output={tmp_path}"]))
    assert outcome.released
    assert outcome.evaluation["suites"]["task"]["tuned"]["mean"] > 0.85
