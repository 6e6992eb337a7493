"""The chosen weights put into the run that a repair makes: a run that was tuned, from here on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

from assay.pipeline.job import Job
from assay.pipeline.repair.child import join_metrics, take_over, update_repair, work_folder
from assay.pipeline.repair.trial import ANEW, SAFETY, SAFETY_TUNINGS, Trial
from assay.pipeline.repair.tuning import read_training
from assay.pipeline.repair.weighed import Weighed
from assay.pipeline.tune import Training
from assay.runs import RunFolder, find_run


def install(run: RunFolder, trial: Trial, job: Job, chosen: Weighed) -> None:
    """Write the chosen weights, and what training gave them, into the trial's child of `run`."""
    child, candidate = trial.child, trial.find(chosen)
    training = read_training(run)
    if chosen.intervention == SAFETY:
        tunings = _list_safety_tunings(child, chosen)
        join_metrics(child, [run, *tunings])
        for tuning in tunings:
            training = _add(training, read_training(tuning))
    if chosen.intervention == ANEW:
        tuning = _find_tuning(child, chosen)
        training = read_training(tuning)
        take_over(child, tuning)
    target = child.model if candidate.whole else child.adapter
    partial = work_folder(child) / "weights" / "chosen"
    for folder in (target, partial):
        shutil.rmtree(folder, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    candidate.write(job, partial)
    partial.replace(target)
    child.update_manifest({"training": _describe_training(training, chosen)})
    update_repair(child, {"chosen": chosen.name})


def _find_tuning(child: RunFolder, chosen: Weighed) -> RunFolder:
    return RunFolder((child.path / chosen.source).parent)


def _list_safety_tunings(child: RunFolder, chosen: Weighed) -> list[RunFolder]:
    """Those that made the chosen adapter: the first, and the one that went on from it."""
    names = SAFETY_TUNINGS[: SAFETY_TUNINGS.index(_find_tuning(child, chosen).name) + 1]
    return [find_run(work_folder(child) / "tunings", name) for name in names]


def _add(before: Training, after: Training) -> Training:
    """What the held run's training gave, and a short tuning on top of it."""
    num_steps = before.num_steps + after.num_steps
    return replace(before, num_steps=num_steps, num_tokens=before.num_tokens + after.num_tokens)


def _describe_training(training: Training, chosen: Weighed) -> dict[str, Any]:
    """The training of the chosen weights, with their own losses.

    Their best loss is their own: they are drawn back from the best on purpose, and the gate that
    asks whether a later, worse checkpoint was kept has no other of them to compare with.
    """
    if chosen.intervention == ANEW and chosen.factor == 1.0:
        return training.to_dict()
    validation = chosen.losses["loss_validation"]
    return replace(
        training,
        loss_train=chosen.losses["loss_train"],
        loss_validation=validation,
        loss_validation_best=validation,
    ).to_dict()
