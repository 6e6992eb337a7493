"""The watch over a reward: read of a run's own metrics, joined with that over drift."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assay.config import Recipe
from assay.pipeline.reward_watch import add_reward_watch
from assay.runs import RunFolder
from assay.train.watch import Limit, Watch

GAMED = [
    {"step": step, "train/reward": step / 40, "train/entropy": 1.0, "train/length": 5.0}
    | ({"eval/reward": {10: 0.3, 20: 0.7, 30: 0.4, 40: 0.35}[step]} if step % 10 == 0 else {})
    for step in range(1, 41)
]


def make_job(folder: Path, on_hacking: str) -> tuple[Any, list[str]]:
    notes: list[str] = []
    objective = {"type": "grpo", "grader": {"type": "length", "max": 3}, "on_hacking": on_hacking}
    data: dict[str, Any] = {"base": "tiny", "data": {"train": "a.jsonl"}, "objective": objective}
    run = RunFolder.create(folder, "a", "base: tiny\n")
    for record in GAMED:
        run.append_metrics(record)
    progress = SimpleNamespace(note=notes.append)
    return SimpleNamespace(recipe=Recipe.model_validate(data), run=run, progress=progress), notes


def test_a_gamed_reward_is_told_or_ends_training(tmp_path: Path) -> None:
    job, notes = make_job(tmp_path, "warn")
    watch = add_reward_watch(job, None, every_steps=10)
    assert watch is not None and watch.is_due(20, 100) and not watch.is_due(21, 100)
    metrics, drifted = watch.read()
    assert drifted == "" and metrics["drift/held_out_fall"] == pytest.approx(0.875)
    assert len(notes) == 1 and "held_out_fall 0.875" in notes[0]
    job, notes = make_job(tmp_path, "stop")
    watch = add_reward_watch(job, None, every_steps=10)
    assert watch is not None and watch.stops
    assert watch.read()[1] == "held_out_fall 0.875" and not notes


def test_it_is_read_beside_drift_and_may_be_off(tmp_path: Path) -> None:
    drift = Watch(lambda: {"persona": 0.9}, 15, {"persona": Limit(highest=0.4)}, stops=True)
    job, notes = make_job(tmp_path, "warn")
    joined = add_reward_watch(job, drift, every_steps=10)
    assert joined is not None and joined.every_steps == 10
    metrics, drifted = joined.read()
    assert drifted == "persona 0.9" and len(notes) == 1
    assert {"drift/persona", "drift/held_out_fall"} <= metrics.keys()
    assert add_reward_watch(make_job(tmp_path, "off")[0], drift, every_steps=10) is drift
