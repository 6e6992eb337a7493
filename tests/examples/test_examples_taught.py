"""The example of a teacher, cut down: its rows, and that it is learned from."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from assay.config import load
from assay.config.sections.distil import DistilConfig

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = {"distil": "questions.jsonl"}


@pytest.mark.parametrize("name", DATA)
def test_rows_reproduce(name: str, tmp_path: Path) -> None:
    committed, out = EXAMPLES / name / "data" / DATA[name], tmp_path / "rows.jsonl"
    subprocess.run([sys.executable, str(EXAMPLES / name / "make_data.py"), str(out)], check=True)
    assert out.read_bytes() == committed.read_bytes()


def test_the_teacher_is_told_what_the_rows_ask() -> None:
    objective = load(EXAMPLES / "distil").recipe.objective
    assert isinstance(objective, DistilConfig)
    told = (objective.teacher_prompt or "").splitlines()[1:]
    record = runpy.run_path(str(EXAMPLES / "distil" / "make_data.py"))["RECORD"]
    assert [tuple(line.split(": ")) for line in told] == list(record.items())


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_record_is_learned_from_a_teacher_that_is_told_it(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from assay.pipeline.tune_run import run_tuning

    few = ["train.epochs=null", "train.max_steps=24", "defend=off", f"output={tmp_path}"]
    ended = run_tuning(load(EXAMPLES / "distil", few))
    _, *_, last = ended.run.read_metrics()
    assert ended.training.loss_validation_base > 2
    assert ended.training.loss_validation < 0.5 * ended.training.loss_validation_base
    assert last["eval/agreement"] > 0.6
