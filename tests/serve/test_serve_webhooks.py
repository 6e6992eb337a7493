"""Webhooks over real sockets: what the official client verifies, and what it is spared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from tests.serve.conftest import Served, serving
from tests.serve.test_serve_files import LosesAnswers

from assay.runs.store import DEFAULT_PROJECT, Store, add_key
from assay.runs.store import webhooks as outbox
from assay.runs.store.webhooks import EVENT_TYPES, JOB_EVENT_TYPES, add_event, deliveries
from assay.serve.app import build_app
from assay.serve.webhooks.deliver import delivering


@dataclass
class Receiver:
    """An endpoint that keeps what it is told; `behave` says how it answers."""

    url: str = ""
    told: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    behave: Callable[[int], Response] = lambda number: Response()
    arrived: threading.Condition = field(default_factory=threading.Condition)

    async def take(self, request: Request) -> Response:
        body = await request.body()
        with self.arrived:
            self.told.append((body, dict(request.headers)))
            self.arrived.notify_all()
            number = len(self.told)
        return self.behave(number)

    def wait(self, number: int) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.told) >= number, timeout=60)


@pytest.fixture()
def receiver() -> Iterator[Receiver]:
    taking = Receiver()
    with serving(Starlette(routes=[Route("/hook", taking.take, methods=["POST"])])) as url:
        taking.url = url.removesuffix("/v1") + "/hook"
        yield taking


@pytest.fixture()
def served(store: Store) -> Iterator[Served]:
    _, secret = add_key(store, "tests", ["admin"])
    with serving(build_app(store, allow_private=True)) as url:
        yield Served(store, url, secret)


@pytest.fixture()
def strict(served: Served) -> openai.OpenAI:
    return served.client(_strict_response_validation=True)


def emit(store: Store, kind: str = EVENT_TYPES[0], subject: str = "ftjob-1") -> None:
    with store.write() as connection:
        add_event(store, connection, kind, subject, project=DEFAULT_PROJECT)


def count_waiting(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(deliveries)).scalar() or 0)


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def make(client: openai.OpenAI, url: str, **given: Any) -> Any:
    wanted: Any = {"name": "mine", "event_types": list(JOB_EVENT_TYPES), "url": url, **given}
    return client.webhooks.create(**wanted)


def test_endpoints_are_made_listed_changed_and_deleted(
    client: openai.OpenAI, receiver: Receiver
) -> None:
    made = make(client, receiver.url)
    assert made.signing_secret.startswith("whsec_")
    assert made.signing_secret.endswith(made.signing_secret_hint.removeprefix("whsec_…"))
    shown = client.webhooks.retrieve(made.id)
    assert not hasattr(shown, "signing_secret") and shown.url == receiver.url
    more = [make(client, receiver.url, name=str(number)) for number in range(3)]
    listed = [one.id for one in client.webhooks.list(limit=2)]
    assert listed == [one.id for one in (*reversed(more), made)]
    only = ["fine_tuning.job.failed"]
    changed = client.webhooks.update(made.id, event_types=only, name="other")  # type: ignore[arg-type]
    assert (changed.event_types, changed.name, changed.url) == (only, "other", receiver.url)
    assert client.webhooks.delete(made.id).deleted
    for gone in (client.webhooks.retrieve, client.webhooks.delete, client.webhooks.rotate_secret):
        with pytest.raises(openai.NotFoundError) as caught:
            gone(made.id)
        assert caught.value.param == "webhook_endpoint_id"
    assert client.webhooks.event_types.list().data == list(EVENT_TYPES)


def test_what_is_not_told_here_and_who_is_no_admin_is_refused(
    strict: openai.OpenAI, served: Served, receiver: Receiver
) -> None:
    with pytest.raises(openai.BadRequestError, match=r"video\.completed") as caught:
        make(strict, receiver.url, event_types=["video.completed"])
    assert caught.value.param == "event_types"
    _, secret = add_key(served.store, "trains", ["train"])
    with pytest.raises(openai.PermissionDeniedError):
        make(served.client(api_key=secret), receiver.url)
    _, other = add_key(served.store, "other", ["admin"], project="proj_other")
    made = make(strict, receiver.url)
    with pytest.raises(openai.NotFoundError):
        served.client(api_key=other).webhooks.retrieve(made.id)


def test_private_addresses_are_refused_unless_allowed(store: Store, receiver: Receiver) -> None:
    _, secret = add_key(store, "t", ["admin"])
    with serving(build_app(store)) as url:
        client = openai.OpenAI(base_url=url, api_key=secret, max_retries=0)
        for bad in (receiver.url, "http://169.254.169.254/", "ftp://example.com", "http://[::1]/"):
            with pytest.raises(openai.BadRequestError) as caught:
                make(client, bad)
            assert caught.value.param == "url"
    with store.write() as connection:
        values: dict[str, Any] = {"name": "n", "url": receiver.url, "event_types": EVENT_TYPES}
        made = outbox.insert_endpoint(store, connection, project=DEFAULT_PROJECT, **values)
    emit(store)
    with delivering(store, allow_private=False, idle_s=0.02):
        wait_until(lambda: _num_attempts(store) == 1)
    assert receiver.told == [] and made.url == receiver.url


def _num_attempts(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(deliveries.c.num_attempts)).scalar() or 0)


@pytest.mark.parametrize("kind", JOB_EVENT_TYPES)
def test_each_end_of_a_job_is_verified_by_the_client_and_a_tampered_one_is_not(
    kind: str, strict: openai.OpenAI, store: Store, receiver: Receiver
) -> None:
    secret = make(strict, receiver.url).signing_secret
    emit(store, kind, "ftjob-abc")
    with delivering(store, allow_private=True, idle_s=0.02):
        receiver.wait(1)
        wait_until(lambda: count_waiting(store) == 0)
    ((body, headers),) = receiver.told
    event = strict.webhooks.unwrap(body, headers, secret=secret)
    assert (event.type, event.object, event.data.id) == (kind, "event", "ftjob-abc")  # type: ignore[union-attr]
    assert headers["webhook-id"] == event.id
    stale = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}
    for payload, given, key in (
        (body.replace(b"ftjob-abc", b"ftjob-abd"), headers, secret),
        (body, {**headers, "webhook-id": "evt_other"}, secret),
        (body, stale, secret),
        (body, headers, outbox.new_secret()),
    ):
        with pytest.raises(openai.InvalidWebhookSignatureError):
            strict.webhooks.unwrap(payload, given, secret=key)


def test_a_cancelled_job_is_told(strict: openai.OpenAI, store: Store, receiver: Receiver) -> None:
    make(strict, receiver.url)
    row = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'
    content = "\n".join([row] * 12).encode()
    file = strict.files.create(file=("rows.jsonl", content), purpose="fine-tune")
    job = strict.fine_tuning.jobs.create(model="gpt-4.1-mini", training_file=file.id)
    strict.fine_tuning.jobs.cancel(job.id)
    with delivering(store, allow_private=True, idle_s=0.02):
        receiver.wait(1)
    assert job.id in receiver.told[0][0].decode() and b"cancelled" in receiver.told[0][0]


def test_a_refusal_and_a_redirection_are_tried_again(
    strict: openai.OpenAI, store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_FIRST_WAIT_S", 0.01)
    answers = {1: Response(status_code=500), 2: RedirectResponse(receiver.url, 307)}
    receiver.behave = lambda number: answers.get(number, Response(status_code=204))
    secret = make(strict, receiver.url).signing_secret
    emit(store)
    with delivering(store, allow_private=True, idle_s=0.02):
        wait_until(lambda: len(receiver.told) == 3 and count_waiting(store) == 0)
    events = {strict.webhooks.unwrap(*told, secret=secret).id for told in receiver.told}
    assert len(events) == 1


_KILLED = """
import sys
from assay.runs.store import open_store
from assay.serve.webhooks.deliver import delivering
import threading
with delivering(open_store(sys.argv[1]), allow_private=True, idle_s=0.02):
    threading.Event().wait(60)
"""


def test_what_a_killed_server_was_telling_is_told_by_the_next(
    strict: openai.OpenAI, store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(strict, receiver.url)
    emit(store)
    answering = threading.Event()

    def hang(number: int) -> Response:
        answering.wait(10)
        return Response()

    receiver.behave = hang
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(store.folder)])
    try:
        receiver.wait(1)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    answering.set()
    assert count_waiting(store) == 1
    with store.write() as connection:
        connection.execute(deliveries.update().values(not_before=0.0))
    with delivering(store, allow_private=True, idle_s=0.02):
        wait_until(lambda: count_waiting(store) == 0)
    ids = [headers["webhook-id"] for _, headers in receiver.told]
    assert len(ids) == 2 and ids[0] == ids[1]


def test_a_rotated_secret_signs_beside_the_old_one(
    strict: openai.OpenAI, store: Store, receiver: Receiver
) -> None:
    made = make(strict, receiver.url)
    other = strict.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
    emit(store)
    with delivering(store, allow_private=True, idle_s=0.02):
        receiver.wait(1)
    assert other.signing_secret != made.signing_secret
    for secret in (made.signing_secret, other.signing_secret):
        strict.webhooks.unwrap(*receiver.told[0], secret=secret)


def test_a_sample_is_sent_at_once(strict: openai.OpenAI, store: Store, receiver: Receiver) -> None:
    made = make(strict, receiver.url)
    receiver.behave = lambda number: Response(status_code=418)
    told = strict.webhooks.test(made.id, event_type="fine_tuning.job.failed")
    assert (told.status_code, told.success) == (418, True)
    event = strict.webhooks.unwrap(*receiver.told[0], secret=made.signing_secret)
    assert event.type == "fine_tuning.job.failed"
    silent = make(strict, "http://127.0.0.1:9/hook")
    with pytest.raises(openai.BadRequestError) as caught:
        strict.webhooks.test(silent.id, event_type="fine_tuning.job.failed")
    assert caught.value.code == "webhook_unreachable"


def test_an_answer_that_is_lost_makes_one_endpoint_and_tells_its_secret(
    store: Store, receiver: Receiver
) -> None:
    _, secret = add_key(store, "t", ["admin"])
    with serving(LosesAnswers(build_app(store, allow_private=True))) as url:
        client = openai.OpenAI(base_url=url, api_key=secret, max_retries=1)
        made = make(client, receiver.url)
        assert [one.id for one in client.webhooks.list()] == [made.id]
        assert made.signing_secret.startswith("whsec_")


def test_secrets_are_in_no_log(
    strict: openai.OpenAI, store: Store, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.behave = lambda number: Response(status_code=500)
    made = make(strict, receiver.url + "?token=hidden")
    emit(store)
    with delivering(store, allow_private=True, idle_s=0.02):
        wait_until(lambda: made.id in caplog.text)
    assert made.signing_secret not in caplog.text and "hidden" not in caplog.text
    assert httpx.URL(made.url).query == b"token=hidden"
