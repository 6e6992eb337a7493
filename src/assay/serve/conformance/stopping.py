"""Checks 21 and 22: jobs that are cancelled, paused and resumed."""

from __future__ import annotations

from itertools import islice
from typing import Any

import openai

from assay.serve.conformance.check import check, expect, expect_equal, expect_refused
from assay.serve.conformance.rows import ask_colour
from assay.serve.conformance.session import Session

_LONG = {"n_epochs": 50, "batch_size": 1}


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
