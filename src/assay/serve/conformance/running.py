"""Checks 14, 19, 21 to 26: jobs that run."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from typing import Any

import openai

from assay.serve.conformance.check import check, expect, expect_equal, expect_refused
from assay.serve.conformance.rows import ask_colour
from assay.serve.conformance.session import Session

_NAME = re.compile(r"ft:[^:]+:[^:]*:[^:]*:[^:]+")
_METRICS = {
    "step",
    "train_loss",
    "train_mean_token_accuracy",
    "valid_loss",
    "valid_mean_token_accuracy",
    "full_valid_loss",
    "full_valid_mean_token_accuracy",
}
_LONG = {"n_epochs": 50, "batch_size": 1}
LOSS_TOLERANCE = 1e-3
"""Relative, between two runs of one seed."""


@check(
    14, "a supervised job succeeds, and tells its model, its tokens and its numbers", trains=True
)
def check_success(session: Session) -> None:
    job = session.train_first()
    name = job.fine_tuned_model or ""
    expect(_NAME.fullmatch(name), f"The model's name {name!r} is not ft:base:org:suffix:id.")
    expect(job.trained_tokens and job.trained_tokens > 0, "No trained tokens are told.")
    expect(job.finished_at and job.finished_at >= job.created_at, "finished_at is not told.")
    numbers = job.hyperparameters.model_dump(exclude_none=True)
    left = [one for one, value in numbers.items() if not isinstance(value, int | float)]
    expect(numbers and not left, f"{', '.join(left) or 'hyperparameters'}: no number.")
    expect_equal(job.error, None, "The error of a job that succeeded")


@check(19, "the same seed gives the same losses; a seed that is left out is made", trains=True)
def check_seeds(session: Session) -> None:
    first, again = session.train_first(), session.train_first("again")
    expect_equal(again.seed, first.seed, "The second seed")
    losses, repeated = _read_losses(session, first), _read_losses(session, again)
    expect_equal(len(repeated), len(losses), "The number of steps")
    for step, (one, other) in enumerate(zip(losses, repeated, strict=True), 1):
        close = abs(one - other) <= LOSS_TOLERANCE * max(abs(one), 1e-9)
        expect(close, f"Step {step} has the losses {one} and {other}.")


@check(21, "a job is cancelled while it waits and while it runs, and but once", trains=True)
def check_cancel(session: Session) -> None:
    jobs = session.client().fine_tuning.jobs
    waiting = session.create_job()
    expect_equal(jobs.cancel(waiting.id).status, "cancelled", "A job that was cancelled early")
    job = _begin_long(session)
    _wait_for_step(session, job.id)
    expect_equal(jobs.cancel(job.id).status, "cancelled", "A running job that was cancelled")
    expect_refused(lambda: jobs.cancel(job.id), openai.BadRequestError, "A second cancellation")
    look = session.hooks.list_processes
    if look is not None:
        session.wait_until(
            lambda: look(job.id),
            lambda found: not found,
            lambda found: f"{len(found)} processes work on a job that was cancelled",
        )


@check(
    22,
    "a paused job leaves a checkpoint, and goes on from there",
    trains=True,
    is_strict=False,
)
def check_pause(session: Session) -> None:
    jobs = session.client().fine_tuning.jobs
    job = _begin_long(session)
    _wait_for_step(session, job.id)
    # The client sends no body, with JSON's content type.
    expect_equal(jobs.pause(job.id).status, "paused", "A job that was paused")
    points = session.wait_until(
        lambda: jobs.checkpoints.list(job.id).data,
        lambda found: found,
        lambda found: "no checkpoint of the paused job has appeared",
    )
    step = max(point.step_number for point in points)
    name = next(p.fine_tuned_model_checkpoint for p in points if p.step_number == step)
    session.ask(ask_colour(1), model=name, max_completion_tokens=2)
    status = jobs.resume(job.id).status
    expect(status in ("queued", "running", "validating_files"), f"The resumed job is {status}.")
    session.wait_until(
        lambda: _find_steps(session, job.id),
        lambda steps: steps and max(steps) > step,
        lambda steps: "no step follows the resumption",
    )
    steps = _find_steps(session, job.id)
    expect(len(steps) == len(set(steps)), "A step was told twice: the job did not go on.")
    jobs.cancel(job.id)


@check(23, "events come newest first, in pages; metrics have numbers", trains=True)
def check_events(session: Session) -> None:
    jobs, job = session.client().fine_tuning.jobs, session.train_first()
    # Types of events that the contract names and the client lacks are no fault of a strict list.
    jobs = session.lenient.fine_tuning.jobs if session.is_strict else jobs
    events = list(islice(jobs.list_events(job.id, limit=3), 10_000))
    ids = [one.id for one in events]
    expect(len(set(ids)) == len(ids) and len(ids) < 10_000, "An event came twice.")
    expect_equal([one.id for one in jobs.list_events(job.id, limit=100)], ids, "Longer pages")
    times = [one.created_at for one in events]
    expect(times == sorted(times, reverse=True), "Events are not newest first.")
    rest = jobs.list_events(job.id, after=ids[1], limit=100)
    expect_equal([one.id for one in rest], ids[2:], "The events after the second")
    metrics = [one for one in events if one.type == "metrics"]
    expect(metrics, "No event is of the type metrics.")
    for one in metrics:
        is_told = isinstance(one.data, dict) and {"step", "train_loss"} <= set(one.data)
        expect(is_told, f"The data of a metrics event is {one.data!r}.")


@check(24, "checkpoints are listed, and their names answer", trains=True)
def check_checkpoints(session: Session) -> None:
    job = session.train_first()
    points = list(session.client().fine_tuning.jobs.checkpoints.list(job.id, limit=1))
    expect(points, "The job has no checkpoint.")
    for point in points:
        wanted = f"{job.fine_tuned_model}:ckpt-step-{point.step_number}"
        expect_equal(point.fine_tuned_model_checkpoint, wanted, "The checkpoint's name")
        expect_equal(point.fine_tuning_job_id, job.id, "The checkpoint's job")
        told = point.metrics.model_dump(exclude_none=True)
        odd = set(told) - _METRICS
        expect({"step", "train_loss"} <= set(told) and not odd, f"The metrics are {told}.")
        session.ask(ask_colour(2), model=wanted, max_completion_tokens=2)


@check(25, "the results file is plain CSV, a row for each step", trains=True)
def check_results(session: Session) -> None:
    client, job = session.client(), session.train_first()
    (result,) = job.result_files
    file = client.files.retrieve(result)
    expect_equal(file.purpose, "fine-tune-results", "The purpose of the results file")
    rows = _read_results(session, job)
    wanted = {"step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"}
    expect(rows, "The results file has no row.")
    missing = wanted - set(rows[0])
    expect(not missing, f"The header lacks {', '.join(sorted(missing))}.")
    steps = [int(row["step"]) for row in rows]
    expect_equal(steps, list(range(1, len(rows) + 1)), "The steps")
    for row in rows:
        float(row["train_loss"])
        [float(value) for value in row.values() if value]


@check(26, "a tuned model, or a checkpoint, is gone on with by a second job", trains=True)
def check_chain(session: Session) -> None:
    client, first = session.client(), session.train_first()
    (point, *_) = client.fine_tuning.jobs.checkpoints.list(first.id).data
    before = _answer(session, first.fine_tuned_model)
    chained = _train_chained(session, first)
    expect_equal(chained.model, first.fine_tuned_model, "The model of the second job")
    expect(chained.fine_tuned_model != first.fine_tuned_model, "Both jobs made one name.")
    expect_equal(_answer(session, first.fine_tuned_model), before, "The parent's answer")
    job = session.create_job(model=point.fine_tuned_model_checkpoint)
    expect_equal(job.model, point.fine_tuned_model_checkpoint, "The model of a third job")
    client.fine_tuning.jobs.cancel(job.id)


def _train_chained(session: Session, first: Any) -> Any:
    if "chained" in session.left.jobs:
        return session.train("chained")
    file = session.upload_chats(120)
    return session.train("chained", model=first.fine_tuned_model, training_file=file, seed=8)


def _answer(session: Session, model: str) -> str:
    found = session.ask(ask_colour(3), model=model, max_completion_tokens=4)
    return str(found.choices[0].message.content)


def _begin_long(session: Session) -> Any:
    """A job that nobody waits for; what makes trainings short is left out."""
    body = {name: dict(value) for name, value in session.target.job_body.items()}
    for block in body.values():
        block.pop("train", None)
    method = {"type": "supervised", "supervised": {"hyperparameters": _LONG}}
    file = session.upload_chats(120)
    return session.create_job(training_file=file, method=method, extra_body=body)


def _wait_for_step(session: Session, job_id: str) -> None:
    session.wait_until(
        lambda: _find_steps(session, job_id),
        lambda steps: steps,
        lambda steps: f"the job {job_id} has told no step",
        lambda steps: session.lenient.fine_tuning.jobs.retrieve(job_id).status == "failed",
    )


def _find_steps(session: Session, job_id: str) -> list[int]:
    events = session.lenient.fine_tuning.jobs.list_events(job_id, limit=100)
    return [one.data["step"] for one in islice(events, 5000) if one.type == "metrics"]


def _read_results(session: Session, job: Any) -> list[dict[str, str]]:
    content = session.client().files.content(job.result_files[0]).read()
    return list(csv.DictReader(io.StringIO(content.decode())))


def _read_losses(session: Session, job: Any) -> list[float]:
    return [float(row["train_loss"]) for row in _read_results(session, job)]
