"""The examples of a teacher and of an environment, cut down: their rows, and that they learn."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.config import load
from assay.config.sections.distil import DistilConfig
from assay.config.sections.rollouts import RolloutSection
from assay.data.read import read_sources
from assay.graders.environment import act, begin, load_environment

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = {"distil": "questions.jsonl", "grpo-tools": "requests.jsonl"}


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


def _play(turns: list[str], **more: Any) -> tuple[list[dict[str, Any]], float, bool]:
    row = {"messages": [{"role": "user", "content": "Stop it."}], "tools": []}
    row |= {"order_id": "AB-123", "parcel_id": "P1", **more}
    environment = load_environment("depot.py:Depot", base_dir=EXAMPLES / "grpo-tools")()
    begin(environment, row)
    outcomes = [act(environment, turn)[1] for turn in turns]
    told = [dict(message) for one in outcomes for message in one.messages]
    return told, sum(one.reward for one in outcomes), outcomes[-1].is_done


def _call(name: str, key: str, value: str) -> str:
    return f'<tool_call>{{"name": "{name}", "arguments": {{"{key}": "{value}"}}}}</tool_call>'


LOOK, STOP = _call("lookup_order", "order_id", "AB-123"), _call("stop_parcel", "parcel_id", "P1")


@pytest.mark.parametrize(
    ("turns", "reward", "is_done"),
    [
        ([LOOK, STOP], 1.0, True),
        ([STOP], -0.3, False),
        ([LOOK, _call("track_parcel", "parcel_id", "P1"), STOP], 0.7, True),
        ([LOOK, LOOK], 0.0, False),
        (["It is stopped."], 0.0, True),
        ([LOOK + STOP], 1.0, True),
    ],
)
def test_a_depot_rewards_the_stopped_parcel(turns: list[str], reward: float, is_done: bool) -> None:
    told, found, ended = _play(turns)
    assert (pytest.approx(found), ended) == (reward, is_done)
    assert len(told) == sum(turn.count("<tool_call>") for turn in turns)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_episodes_with_tools_are_learned_from(tmp_path: Path) -> None:
    """Two steps of the example on a few of its requests: played, graded, and learned from."""
    pytest.importorskip("torch")
    from assay.pipeline.tune_run import run_tuning

    few = ["data.train.0.limit=60", "train.max_steps=2", "train.batch_size=2"]
    few += ["objective.group_size=4", "train.eval_every_steps=2", f"output={tmp_path}"]
    loaded = load(EXAMPLES / "grpo-tools", few)
    assert isinstance(loaded.recipe.objective, RolloutSection)
    ended = run_tuning(loaded)
    records = ended.run.read_metrics()
    assert len(records) == 2
    # A turn has about thirty tokens, and an episode of the base two or three of them.
    assert 25 < records[0]["train/length"] < 3 * 48
    assert all(-0.9 <= record["train/reward"] <= 1.0 for record in records)
    assert records[-1]["eval/reward"] == pytest.approx(1 - ended.training.loss_validation)
    read = read_sources(
        loaded.recipe.data.train, base_dir=loaded.base_dir, wanted="prompts"
    ).records
    assert {"order_id", "parcel_id"} <= read[0].extra.keys()
