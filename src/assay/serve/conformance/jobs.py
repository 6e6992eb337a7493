"""Checks 13, 15 to 18, 20 and 29: jobs as they are made, bounded, refused and listed."""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

import openai

from assay.serve.conformance.check import check, expect, expect_equal, expect_refused
from assay.serve.conformance.rows import (
    build_chat,
    build_pair,
    build_prompt,
    build_reinforcement,
    render_rows,
)
from assay.serve.conformance.session import Session

_AT_ONCE_S = 10.0
_MOST_PROMPTS = 50_000


@check(13, "a job is made at once, with hyperparameters, no error and no result files")
def check_creation(session: Session) -> None:
    chats = session.upload_chats()
    began = time.monotonic()
    job = session.create_job(training_file=chats)
    took_s = time.monotonic() - began
    expect(took_s < _AT_ONCE_S, f"The answer took {took_s:.1f} s.")
    expect(job.status in ("validating_files", "queued"), f"The new job is {job.status}.")
    expect(job.hyperparameters is not None, "hyperparameters is null.")
    expect_equal((job.error, job.result_files), (None, []), "error and result_files")
    expect_equal(job.object, "fine_tuning.job", "The object")
    expect(isinstance(job.seed, int), "A seed that was left out is not made and told.")


@check(15, "each method comes back as it was sent; legacy hyperparameters too, but not both")
def check_methods(session: Session) -> None:
    few = {"n_epochs": 2, "batch_size": 4}
    chats = session.upload_chats()
    for kind, rows, block in (
        ("supervised", build_chat, {"hyperparameters": few}),
        ("dpo", build_pair, {"hyperparameters": {**few, "beta": 0.2}}),
        (
            "reinforcement",
            build_prompt,
            build_reinforcement(**few, eval_samples=2)["reinforcement"],
        ),
    ):
        method = {"type": kind, kind: block}
        given: dict[str, Any] = {"method": method}
        if kind != "supervised":
            given["training_file"] = session.upload(map(rows, range(12))).id
        if kind == "reinforcement":
            given["validation_file"] = session.upload(map(rows, range(20, 32))).id
        job = session.create_job(**given)
        _expect_within(method, job.method.model_dump(), "method")
        session.client().fine_tuning.jobs.cancel(job.id)
    job = session.create_job(training_file=chats, hyperparameters={"n_epochs": 3})
    expect_equal(job.hyperparameters.n_epochs, 3, "n_epochs as it was sent the old way")
    expect_refused(
        lambda: session.create_job(
            training_file=chats, hyperparameters=few, method={"type": "supervised"}
        ),
        openai.BadRequestError,
        "Hyperparameters within a method and without",
    )


def _expect_within(wanted: Any, found: Any, place: str) -> None:
    """Every field that was sent is in what came back; more may be there."""
    if isinstance(wanted, dict):
        expect(isinstance(found, dict), f"{place} is {found!r}.")
        for name, value in wanted.items():
            _expect_within(value, found.get(name), f"{place}.{name}")
    else:
        expect_equal(found, wanted, place)


@check(16, "what is out of bounds is 400, with its place as param")
def check_bounds(session: Session) -> None:
    chats = session.upload_chats()

    def within(kind: str, **hyperparameters: Any) -> dict[str, Any]:
        return {"method": {"type": kind, kind: {"hyperparameters": hyperparameters}}}

    place = "method.{}.hyperparameters.{}".format
    for given, param in (
        (within("supervised", n_epochs=0), place("supervised", "n_epochs")),
        (within("supervised", n_epochs=51), place("supervised", "n_epochs")),
        (within("supervised", batch_size=257), place("supervised", "batch_size")),
        (within("dpo", beta=0), place("dpo", "beta")),
        (within("dpo", beta=2.1), place("dpo", "beta")),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
    ):
        expect_refused(
            lambda given=given: session.create_job(training_file=chats, **given),  # type: ignore[misc]
            openai.BadRequestError,
            f"{param} of {str(given)[:60]}",
            param=param,
        )


@check(17, "too few rows, and bad ones, fail the job by code, and lines are named")
def check_bad_rows(session: Session) -> None:
    few = session.upload(map(build_chat, range(9)))
    job = session.wait(session.create_job(training_file=few.id).id, "failed")
    found = (job.error.code, job.error.param)
    expect_equal(found, ("invalid_n_examples", "training_file"), "The error of nine rows")
    rows = [*map(build_chat, range(10)), {"messages": []}, {"messages": [{"role": "nobody"}]}]
    content = render_rows(rows) + b"{torn\n"
    bad = session.upload(content, filename="bad.jsonl")
    job = session.wait(session.create_job(training_file=bad.id).id, "failed")
    found = (job.error.code, job.error.param)
    expect_equal(found, ("invalid_file_format", "training_file"), "The error of bad rows")
    expect("13" in job.error.message, "The line that is no JSON is not named.")
    content = render_rows(rows)
    bad = session.upload(content, filename="bad.jsonl")
    job = session.wait(session.create_job(training_file=bad.id).id, "failed")
    missing = [line for line in ("11", "12") if line not in job.error.message]
    expect(not missing, f"The message does not name the line {', '.join(missing)}.")
    session.client().fine_tuning.jobs.retrieve(job.id)


@check(18, "reinforcement needs validation rows, and takes 50,000 prompts at most")
def check_prompts(session: Session) -> None:
    held = session.upload(map(build_prompt, range(20, 32)))
    train = session.upload(map(build_prompt, range(12)))
    method = build_reinforcement()
    expect_refused(
        lambda: session.create_job(training_file=train.id, method=method),
        openai.BadRequestError,
        "Reinforcement without a validation file",
        param="validation_file",
    )
    line = render_rows([build_prompt(0)])
    many = session.upload(line * (_MOST_PROMPTS + 1))
    try:
        job = session.create_job(training_file=many.id, validation_file=held.id, method=method)
    except openai.BadRequestError:
        return
    job = session.wait(job.id, "failed")
    expect_equal(job.error.param, "training_file", "The param of too many prompts")


@check(20, "pages of jobs end, and metadata selects")
def check_job_pages(session: Session) -> None:
    client, mark = session.client(), session.mark()
    chats = session.upload_chats()
    ids = []
    for metadata in ({"mark": mark}, {"mark": mark}, {"mark": f"{mark}-other"}, None):
        given = {} if metadata is None else {"metadata": metadata}
        job = session.create_job(training_file=chats, **given)
        client.fine_tuning.jobs.cancel(job.id)
        ids.append(job.id)
    jobs = client.fine_tuning.jobs
    seen = [one.id for one in islice(jobs.list(limit=1), 1000)]
    expect(len(set(seen)) == len(seen), "A job came twice.")
    expect_equal([one for one in seen if one in ids], ids[::-1], "The jobs, newest first")
    found = [one.id for one in jobs.list(metadata={"mark": mark}, limit=1)]
    expect_equal(found, ids[1::-1], "The jobs of one mark")
    bare = [one.id for one in islice(jobs.list(extra_query={"metadata": "null"}), 1000)]
    expect(ids[3] in bare and not set(ids[:3]) & set(bare), "metadata=null selects wrongly.")


@check(29, "the integration wandb is taken and comes back; where it fails, the job goes on")
def check_integrations(session: Session) -> None:
    wanted = {"project": "conformance", "name": "n", "tags": ["a"]}
    job = session.create_job(integrations=[{"type": "wandb", "wandb": wanted}])
    (found,) = job.integrations
    expect_equal(found.type, "wandb", "The type of the integration")
    _expect_within(wanted, found.wandb.model_dump(), "integrations.0.wandb")
    events = list(session.client().fine_tuning.jobs.list_events(job.id))
    if any(one.level == "warn" for one in events):
        found = session.lenient.fine_tuning.jobs.retrieve(job.id)
        expect(found.status != "failed", "The job failed for want of an integration.")
