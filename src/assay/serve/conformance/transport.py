"""Checks 1 to 7 but 5: keys, errors, retries."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai

from assay.serve.conformance.check import check, expect, expect_equal, expect_refused
from assay.serve.conformance.losing import losing
from assay.serve.conformance.session import Session

_FIELDS = {"message", "type", "param", "code"}


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@check(1, "base URL and key by environment suffice; a missing or bad key is 401")
def check_keys(session: Session) -> None:
    target = session.target
    with _environment(OPENAI_BASE_URL=target.base_url, OPENAI_API_KEY=target.api_key):
        client = openai.OpenAI(max_retries=0, _strict_response_validation=session.is_strict)
        expect(list(client.models.list()), "The list of models is empty.")
    bad = session.client(api_key="sk-no-such-key-0123456789")
    error = expect_refused(bad.models.list, openai.AuthenticationError, "A bad key")
    expect(error.request_id, "The error has no x-request-id.")
    missing = session.send("GET", "/models", authorization="")
    expect_equal(missing.status, 401, "The status without a key")
    _expect_envelope(missing.json(), "A request without a key")


@check(2, "an unknown route, id or model is 404 with all four inner fields")
def check_unknown(session: Session) -> None:
    client = session.client()
    calls = {
        "An unknown route": lambda: client.get("/no/such/route", cast_to=object),
        "An unknown file": lambda: client.files.retrieve("file-none"),
        "An unknown job": lambda: client.fine_tuning.jobs.retrieve("ftjob-none"),
    }
    for what, call in calls.items():
        error = expect_refused(call, openai.NotFoundError, what)
        _expect_envelope({"error": error.body}, what)
    for what, call in {
        "An unknown model": lambda: client.models.retrieve("no-such-model"),
        "A chat with an unknown model": lambda: session.ask("Hello", model="no-such-model"),
    }.items():
        error = expect_refused(call, openai.NotFoundError, what, code="model_not_found")
        _expect_envelope({"error": error.body}, what)


@check(3, "a body that is wrong is 400, with the dotted path as param")
def check_bodies(session: Session) -> None:
    client = session.client()
    for content in (b"{", b'"text"', b"\xff\xfe"):
        answer = session.send("POST", "/chat/completions", content)
        expect_equal(answer.status, 400, f"The status of the body {content!r}")
        _expect_envelope(answer.json(), f"The body {content!r}")
    jobs, chat = client.fine_tuning.jobs, client.chat.completions
    deep = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": "many"}}}
    for what, call, param in (
        (
            "A missing field",
            lambda: jobs.create(model="m", training_file=openai.omit),
            "training_file",
        ),
        ("A wrong type", lambda: chat.create(model=session.target.model, messages=3), "messages"),
        (
            "A wrong value within",
            lambda: jobs.create(model="m", training_file="file-x", method=deep),
            "method.supervised.hyperparameters.n_epochs",
        ),
    ):
        expect_refused(call, openai.BadRequestError, what, param=param)


@check(4, "429 with retry-after-ms, then 200, is one success with one retry")
def check_patience(session: Session) -> None:
    with losing(session.target.base_url) as losses:
        losses.requests = 1
        client = session.client(max_retries=1, base_url=losses.url)
        made = session.upload(b"x", "user_data", client=client, filename=session.mark())
        expect_equal(losses.num_requests, 2, "The number of requests")
    found = [one for one in session.client().files.list() if one.filename == made.filename]
    expect_equal(len(found), 1, "The number of files")


@check(6, "a conflict of state is 400, and asked once")
def check_conflict(session: Session) -> None:
    job = session.create_job()
    session.client().fine_tuning.jobs.cancel(job.id)
    with losing(session.target.base_url) as losses:
        client = session.client(max_retries=3, base_url=losses.url)
        expect_refused(
            lambda: client.fine_tuning.jobs.cancel(job.id),
            openai.BadRequestError,
            "Cancelling a job that has ended",
        )
        expect_equal(losses.num_requests, 1, "The number of requests")


@check(7, "unknown keys are treated alike everywhere; extensions come back")
def check_unknown_keys(session: Session) -> None:
    extra = {"no_such_key": 1}
    calls = {
        "chat": lambda: session.ask("Hello", extra_body=extra),
        "jobs": lambda: session.create_job(extra_body=extra),
        "files": lambda: session.client().embeddings.create(
            model=session.target.model, input="a", extra_body=extra
        ),
    }
    taken = {what: _is_taken(call) for what, call in calls.items()}
    expect(len(set(taken.values())) == 1, f"An unknown key is taken in some bodies alone: {taken}.")
    if session.target.job_body:
        job = session.create_job(extra_body=session.target.job_body)
        told = job.model_extra or {}
        missing = [name for name in session.target.job_body if not told.get(name)]
        expect(not missing, f"The job does not show its extensions {', '.join(missing)}.")


def _is_taken(call: Any) -> bool:
    try:
        call()
    except openai.BadRequestError:
        return False
    return True


def _expect_envelope(body: Any, what: str) -> None:
    inner = body.get("error") if isinstance(body, dict) else None
    is_whole = isinstance(inner, dict) and set(inner) >= _FIELDS
    expect(is_whole, f"{what} is answered by {json.dumps(body)[:100]}, not by error's four fields.")
    assert isinstance(inner, dict)
    for name in ("message", "type", "code"):
        expect(isinstance(inner[name], str), f"{what}: error.{name} is no text.")
