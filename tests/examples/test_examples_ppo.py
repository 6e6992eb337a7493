"""The example of PPO: its rows, a cut-down run to a verdict, and (slow) the whole of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from assay.config import load
from assay.evaluate.gates import PROBE_GATES
from assay.evaluate.items import GUARDED
from assay.pipeline import run_recipe
from assay.runs.metrics import read_lines

EXAMPLE = Path(__file__).parents[2] / "examples" / "ppo"

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def test_the_rows_of_ppo_reproduce(tmp_path: Path) -> None:
    out = tmp_path / "sums.jsonl"
    subprocess.run([sys.executable, str(EXAMPLE / "make_data.py"), str(out)], check=True)
    assert out.read_bytes() == (EXAMPLE / "data" / "sums.jsonl").read_bytes()


def test_a_cut_down_run_of_ppo_comes_to_a_verdict(tmp_path: Path) -> None:
    off = ", ".join(f"{name}: off" for name in (*GUARDED, *PROBE_GATES))
    (tmp_path / "few.yaml").write_text(f"gates: {{{off}}}\n", encoding="utf-8")
    few = ["train.max_steps=4", "train.batch_size=4", "evaluate.max_items=30"]
    settings = [*few, f"gates={tmp_path / 'few.yaml'}", f"output={tmp_path}"]
    outcome = run_recipe(load(EXAMPLE, settings))
    assert outcome.verdict["status"] in ("released", "held")
    assert outcome.evaluation["suites"]["task"]["metric"] == "reward"
    records = read_lines(outcome.run.metrics)
    assert len(records) == 4 and records[-1]["train/value"] != 0


@pytest.mark.slow
def test_the_example_of_ppo_gains(tmp_path: Path) -> None:
    outcome = run_recipe(load(EXAMPLE, [f"output={tmp_path}"]))
    task = outcome.evaluation["suites"]["task"]
    assert task["tuned"]["mean"] > task["base"]["mean"] + 0.25
