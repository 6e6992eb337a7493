"""Experiment trackers by the recipe, off by default; their own environment variables are honoured.

Nothing is sent that metrics.jsonl does not hold, but the run's name and its resolved recipe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from assay.errors import ConfigError, Problem
from assay.pipeline.job import Job

Track = Callable[[dict[str, Any]], None]


@contextmanager
def open_trackers(job: Job) -> Iterator[Track]:
    """A function that hands each metrics record to every tracker of the recipe.

    Raises:
        ConfigError: a tracker's package is not installed.
    """
    with ExitStack() as stack:
        tracks = [stack.enter_context(OPENERS[name](job)) for name in job.recipe.trackers]

        def track(record: dict[str, Any]) -> None:
            numbers = {k: v for k, v in record.items() if isinstance(v, int | float)}
            step = int(numbers.pop("step"))
            for one in tracks:
                one(step, numbers)

        yield track


@contextmanager
def _tensorboard(job: Job) -> Iterator[Callable[[int, dict[str, float]], None]]:
    module = _import("torch.utils.tensorboard", "tensorboard")
    folder = os.environ.get("TENSORBOARD_LOGGING_DIR") or str(job.run.path / "tensorboard")
    writer = module.SummaryWriter(folder)

    def track(step: int, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)

    yield track
    writer.close()


@contextmanager
def _wandb(job: Job) -> Iterator[Callable[[int, dict[str, float]], None]]:
    module = _import("wandb", "wandb")
    run = module.init(
        project=os.environ.get("WANDB_PROJECT", "assay"),
        name=os.environ.get("WANDB_NAME", job.run.path.name),
        config=job.recipe.model_dump(mode="json"),
    )
    yield lambda step, numbers: run.log(numbers, step=step)
    run.finish()


@contextmanager
def _mlflow(job: Job) -> Iterator[Callable[[int, dict[str, float]], None]]:
    module = _import("mlflow", "mlflow-skinny")
    module.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", "assay"))
    with module.start_run(run_name=job.run.path.name):
        yield lambda step, numbers: module.log_metrics(numbers, step=step)


@contextmanager
def _trackio(job: Job) -> Iterator[Callable[[int, dict[str, float]], None]]:
    module = _import("trackio", "trackio")
    run = module.init(
        project=os.environ.get("TRACKIO_PROJECT", "assay"),
        name=job.run.path.name,
        config=job.recipe.model_dump(mode="json"),
    )
    yield lambda step, numbers: run.log(numbers, step=step)
    run.finish()


OPENERS: dict[str, Any] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
    "trackio": _trackio,
}


def _import(module: str, package: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            Problem(
                key="trackers",
                got=f"{package}, which is not installed",
                allowed="trackers whose package is installed",
                do=f"pip install {package}, or leave it out",
            )
        ) from error
