"""A job whose run is a fake: metrics, checkpoints, verdict and signature, no model.

The server's own code runs around it. Weights are a chain of hashes, so that a run that was torn and
resumed has those of one that was not. A job with an even seed is released, one with an odd seed is
held.
"""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import assay.pipeline
from assay.runs import RunFolder, write_json, write_text
from assay.runs.ids import new_run_id
from assay.serve.jobs.execute import run_job
from assay.serve.jobs.process import ForkStarter

NUM_STEPS, EVERY, KEPT = 9, 3, 2
STEP_S = float(os.environ.get("FAKE_STEP_S", "0.03"))
HOG_VARIABLE = "FAKE_HOG"


@dataclass(frozen=True)
class FakeOutcome:
    run: RunFolder
    verdict: dict[str, Any]
    evaluation: dict[str, Any]
    signer: str | None

    @property
    def released(self) -> bool:
        return bool(self.verdict["status"] == "released")


def compute_weights(step: int) -> str:
    """What the weights are after a step."""
    state = "base"
    for number in range(1, step + 1):
        state = hashlib.sha256(f"{state} {number}".encode()).hexdigest()
    return state


def run_recipe(recipe: Path, *, progress: Any) -> FakeOutcome:
    run = RunFolder(recipe.parent / "runs" / f"job-{new_run_id()}")
    write_text(run.recipe, recipe.read_text(encoding="utf-8"))
    write_json(run.manifest, {"base": {"sha256": "0"}, "training": {"num_tokens": 90}})
    return resume_run(run, progress=progress)


def resume_run(run: RunFolder, *, progress: Any) -> FakeOutcome:
    with run.lock():
        _train(run, progress)
        progress.stage("evaluate", "Measuring")
        time.sleep(STEP_S)
        write_json(run.evaluation, {})
        is_released = _read_seed(run) % 2 == 0
        gate = {"name": "task_gain", "outcome": "pass" if is_released else "fail"}
        gate |= {"required": True, "reason": "measured"}
        verdict = {"status": "released" if is_released else "held", "gates": [gate]}
        write_json(run.verdict, {**verdict, "headline": "As it is."})
        time.sleep(STEP_S)
        write_text(run.card, "card")
        write_text(run.report, "report")
        if is_released:
            from assay.release.sign import sign_release

            sign_release(run)
        return FakeOutcome(run, run.read_json(run.verdict), {}, None)


def _train(run: RunFolder, progress: Any) -> None:
    first = max(list_steps(run), default=0)
    state = (run.checkpoints / f"step-{first}" / "weights").read_text() if first else "base"
    run.drop_metrics_after(first)
    for step in range(first + 1, NUM_STEPS + 1):
        if os.environ.get(HOG_VARIABLE):
            _hog()
        time.sleep(STEP_S)
        state = hashlib.sha256(f"{state} {step}".encode()).hexdigest()
        record = {"step": step, "train/loss": 1 / step}
        run.append_metrics(record)
        progress.step(record, NUM_STEPS)
        if step % EVERY == 0:
            _save(run.checkpoints / f"step-{step}", state)
            for old in list_steps(run)[:-KEPT]:
                shutil.rmtree(run.checkpoints / f"step-{old}")
    if not run.adapter.exists():
        _save(run.adapter, state)


def _save(folder: Path, state: str) -> None:
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    time.sleep(STEP_S / 3)
    (draft / "weights").write_text(state)
    draft.rename(folder)


def _hog() -> None:
    """Ask for more memory than the process may have."""
    taken, _ = (int(one) for one in Path("/proc/self/statm").read_text().split()[:2])
    limit = taken * resource.getpagesize() + (64 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    bytearray(1 << 30)


def _read_seed(run: RunFolder) -> int:
    return int(yaml.safe_load(run.recipe.read_text(encoding="utf-8"))["seed"])


def list_steps(run: RunFolder) -> list[int]:
    return sorted(int(one.name.removeprefix("step-")) for one in run.checkpoints.glob("step-*"))


def save_checkpoint(
    run: RunFolder, step: int, target: Path, *, progress: Any, source: Path | None = None
) -> None:
    target.mkdir(parents=True)
    time.sleep(STEP_S / 3)
    folder = source or run.checkpoints / f"step-{step}"
    shutil.copyfile(folder / "weights", target / "weights")


def replace_pipeline() -> None:
    """Put the fake in the place of what trains, and of what that would import."""
    fake: dict[str, Any] = {
        "run_recipe": run_recipe,
        "resume_run": resume_run,
        "RunOutcome": FakeOutcome,
    }
    for name, value in fake.items():
        setattr(assay.pipeline, name, value)
    saving = types.ModuleType("assay.pipeline.checkpoint_adapter")
    saving.list_steps, saving.save_checkpoint = list_steps, save_checkpoint  # type: ignore[attr-defined]
    sys.modules[saving.__name__] = saving


def run_fake(*given: Any) -> None:
    """What a fake job's process does."""
    replace_pipeline()
    run_job(*given)


STARTER = ForkStarter(run_fake, "tests.serve.faults.preload")
