"""Experiment trackers by the recipe, off by default; their own environment variables are honoured.

Nothing is sent that metrics.jsonl does not hold, but the run's name and its resolved recipe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

from assay.errors import ConfigError, Problem
from assay.pipeline.installed import find_missing_trackers
from assay.pipeline.job import Job

Track = Callable[[dict[str, Any]], None]


def check_trackers(names: Sequence[str]) -> None:
    """Whether the packages of all trackers are there; none is imported.

    Raises:
        ConfigError: those that are not installed, all of them.
    """
    missing = find_missing_trackers(names)
    if missing:
        raise ConfigError(missing)


@contextmanager
def open_trackers(job: Job) -> Iterator[Track]:
    """A function that hands each metrics record to every tracker of the recipe.

    One that fails while the run goes on is left out from then on, with a note: metrics.jsonl has
    everything, and no service is worth a run.

    Raises:
        ConfigError: a tracker could not be started.
    """
    with ExitStack() as stack:
        tracks = {name: stack.enter_context(_start(name, job)) for name in job.recipe.trackers}

        def track(record: dict[str, Any]) -> None:
            numbers = {k: v for k, v in record.items() if isinstance(v, int | float)}
            step = int(numbers.pop("step"))
            for name, one in [*tracks.items()]:
                try:
                    one(step, numbers)
                except Exception as error:  # a foreign package, over a network
                    del tracks[name]
                    job.progress.note(f"{name} failed and is left out from step {step}: {error}")

        yield track


@contextmanager
def _start(name: str, job: Job) -> Iterator[Any]:
    with ExitStack() as stack:
        try:
            track = stack.enter_context(OPENERS[name](job))
        except Exception as error:  # a foreign package, over a network
            raise ConfigError(
                Problem(
                    key="trackers",
                    got=f"{name}, which did not start: {error}",
                    allowed="trackers that start with the settings of their environment variables",
                    do=f"set {name} up, or leave it out; go on with: assay run --resume"
                    f" {job.run.path}",
                )
            ) from error
        yield track


@contextmanager
def _tensorboard(job: Job) -> Iterator[Callable[[int, dict[str, float]], None]]:
    module = import_module("torch.utils.tensorboard")
    folder = os.environ.get("TENSORBOARD_LOGGING_DIR") or str(job.run.path / "tensorboard")
    writer = module.SummaryWriter(folder)

    def track(step: int, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)

    try:
        yield track
    finally:
        writer.close()


@contextmanager
def _wandb(job: Job) -> Iterator[Callable[[int, dict[str, float]], None]]:
    run = import_module("wandb").init(
        project=os.environ.get("WANDB_PROJECT", "assay"),
        name=os.environ.get("WANDB_NAME", job.run.path.name),
        config=job.recipe.model_dump(mode="json"),
    )
    with run:  # ends as failed where training fails
        yield lambda step, numbers: run.log(numbers, step=step)


@contextmanager
def _mlflow(job: Job) -> Iterator[Callable[[int, dict[str, float]], None]]:
    module = import_module("mlflow")
    module.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", "assay"))
    with module.start_run(run_name=job.run.path.name):
        module.log_dict(job.recipe.model_dump(mode="json"), "recipe.json")
        yield lambda step, numbers: module.log_metrics(numbers, step=step)


@contextmanager
def _trackio(job: Job) -> Iterator[Callable[[int, dict[str, float]], None]]:
    run = import_module("trackio").init(
        project=os.environ.get("TRACKIO_PROJECT", "assay"),
        name=job.run.path.name,
        config=job.recipe.model_dump(mode="json"),
    )
    try:
        yield lambda step, numbers: run.log(numbers, step=step)
    finally:
        run.finish()


OPENERS: dict[str, Any] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
    "trackio": _trackio,
}
