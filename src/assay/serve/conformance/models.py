"""Checks 27, 28 and 30: permissions, names of models, webhooks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import openai

from assay.serve.conformance.check import (
    Skipped,
    check,
    expect,
    expect_equal,
    expect_refused,
)
from assay.serve.conformance.session import Session


@check(27, "a checkpoint's permissions are made, paged and taken back", trains=True)
def check_permissions(session: Session) -> None:
    client, job, project = session.client(), session.train_first(), session.target.project
    if not project:
        raise Skipped("It needs a project that the server knows: name one by --project.")
    (point, *_) = client.fine_tuning.jobs.checkpoints.list(job.id).data
    name, permissions = (
        point.fine_tuned_model_checkpoint,
        client.fine_tuning.checkpoints.permissions,
    )
    made = list(permissions.create(name, project_ids=[project]))
    expect_equal([one.project_id for one in made], [project], "The projects")
    expect_equal(made[0].object, "checkpoint.permission", "The object")
    found = [one.id for one in permissions.list(name, limit=1)]
    expect(made[0].id in found and len(set(found)) == len(found), "The list is not whole.")
    expect_refused(
        lambda: permissions.create(name, project_ids=["proj_none_such"]),
        openai.BadRequestError,
        "An unknown project",
    )
    gone = permissions.delete(made[0].id, fine_tuned_model_checkpoint=name)
    expect(gone.deleted is True and gone.id == made[0].id, "The deletion is not told.")


@check(28, "models are listed, retrieved by odd names, and deleted", trains=True, is_last=True)
def check_models(session: Session) -> None:
    client = session.client()
    # Each mode deletes a model that the other does not need.
    job = session.train("chained" if session.is_strict else "again")
    tuned = job.fine_tuned_model
    listed = [one.id for one in client.models.list()]
    missing = {session.target.model, tuned} - set(listed)
    expect(not missing, f"The list lacks {', '.join(missing)}.")
    found = client.models.retrieve(tuned)
    expect_equal((found.id, found.object), (tuned, "model"), "The tuned model")
    for name in listed:
        if "/" in name:
            expect_equal(client.models.retrieve(name).id, name, "A name with a slash")
    expect_refused(
        lambda: client.models.delete(session.target.model),
        openai.PermissionDeniedError,
        "Deleting a base",
    )
    gone = client.models.delete(tuned)
    expect_equal((gone.id, gone.deleted), (tuned, True), "The deletion")
    expect_refused(
        lambda: session.ask("Hello", model=tuned),
        openai.NotFoundError,
        "A chat with a deleted model",
        code="model_not_found",
    )


@check(30, "each end of a job is told by a signed webhook", trains=True)
def check_webhooks(session: Session) -> None:
    target, kinds = session.target, ("cancelled", "failed", "succeeded")
    with _listening() as (url, told):
        made = _create_endpoint(session, url, [f"fine_tuning.job.{kind}" for kind in kinds])
        client = session.client(webhook_secret=made.signing_secret)
        cancelled = session.create_job()
        client.fine_tuning.jobs.cancel(cancelled.id)
        failed = session.create_job(training_file=session.upload_chats(9))
        done = client.fine_tuning.jobs.create(
            model=target.model,
            training_file=session.upload_chats(120),
            extra_body=target.job_body,
        )
        ids = (cancelled.id, failed.id, done.id)
        wanted = {(f"fine_tuning.job.{kind}", one) for kind, one in zip(kinds, ids, strict=True)}
        session.wait_until(
            lambda: {_read_event(client, *one) for one in list(told)},
            lambda found: wanted <= found,
            lambda found: f"{', '.join(sorted(kind for kind, _ in wanted - found))} did not come",
        )
        client.webhooks.delete(made.id)
        body, headers = told[0]
    try:
        client.webhooks.unwrap(body + b" ", headers)
    except openai.InvalidWebhookSignatureError:
        return
    expect(False, "A body that was changed passes.")


def _create_endpoint(session: Session, url: str, kinds: list[str]) -> Any:
    try:
        return session.client().webhooks.create(name="check", url=url, event_types=kinds)
    except openai.BadRequestError as error:
        told = f"The server sends nothing to this machine, where the check listens: {error.message}"
        raise Skipped(" ".join(told.split())) from error


def _read_event(client: Any, body: bytes, headers: dict[str, str]) -> tuple[str, str]:
    event = client.webhooks.unwrap(body, headers)
    expect_equal(event.object, "event", "The object of a webhook")
    expect_equal(json.loads(body)["id"], event.id, "The id of a webhook")
    return event.type, event.data.id


@contextmanager
def _listening() -> Iterator[tuple[str, list[tuple[bytes, dict[str, str]]]]]:
    """A URL on this machine, and bodies and headers of what is posted there."""
    told: list[tuple[bytes, dict[str, str]]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            told.append((body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """The check tells what came."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", told
    finally:
        server.shutdown()
        server.server_close()
