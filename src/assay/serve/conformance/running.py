"""Checks 14, 19 and 23 to 26: jobs that run to their ends."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from typing import Any

from assay.serve.conformance.check import check, expect, expect_equal
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


def _read_results(session: Session, job: Any) -> list[dict[str, str]]:
    content = session.client().files.content(job.result_files[0]).read()
    return list(csv.DictReader(io.StringIO(content.decode())))


def _read_losses(session: Session, job: Any) -> list[float]:
    return [float(row["train_loss"]) for row in _read_results(session, job)]
