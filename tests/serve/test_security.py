"""What an attacker tries over HTTP: without a key, with the wrong one, by names, bodies and URLs;
and what the log has of it."""

import io
import logging
import socket
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import openai
import pytest
from fastapi import APIRouter
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.serve.conftest import Served, serving

from assay.runs.store import add_key, open_store
from assay.runs.store.files import get_folder
from assay.runs.store.keys import revoke_key
from assay.serve.app import build_app
from assay.serve.assemble import assembled
from assay.serve.bases import Bases
from assay.serve.conformance.rows import build_chat, render_rows
from assay.serve.jobs.names import name_model
from assay.serve.limits import Limits
from assay.serve.logs import JsonLines
from assay.serve.openapi import OPEN_PATHS, describe_app

SECRET = "the launch code is 0451-heron"
"""What no log may hold."""
CLOSED = {
    "infer": ("/v1/fine_tuning", "/v1/aliases", "/v1/webhook", "/metrics"),
    "train": ("/v1/embeddings", "/v1/responses", "/v1/aliases", "/v1/webhook", "/metrics"),
}
"""Beginnings of paths that a scope does not open."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, small_base: Path) -> Iterator[Served]:
    """All routes, in a folder where anything that is written beside the store is seen."""
    store = open_store(tmp_path_factory.mktemp("outer") / "store")
    _, secret = add_key(store, "tests", ["admin"])
    bases = Bases({"tiny": str(small_base)})
    with assembled(store, bases, served="tiny") as app, serving(app) as url:
        yield Served(store, url, secret)
    store.close()


@pytest.fixture(scope="module")
def operations(served: Served) -> list[tuple[str, str]]:
    """Method and path of every operation, with names in place of ids."""
    headers = {"authorization": f"Bearer {served.key}"}
    place = served.url.removesuffix("/v1") + "/openapi.json"
    paths = httpx.get(place, headers=headers).json()["paths"]
    found = [(method.upper(), path) for path, item in paths.items() for method in item]
    assert len(found) > 40
    return found


@pytest.fixture(scope="module")
def plain(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url.removesuffix("/v1")) as client:
        yield client


def ask(plain: httpx.Client, method: str, path: str, key: str) -> tuple[int, str | None]:
    """Status and error's code, with a body that nothing takes."""
    place = path.replace("{", "").replace("}", "")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    found = plain.request(method, place, headers=headers, json=None if method == "GET" else {})
    is_error = found.status_code >= 400
    return found.status_code, found.json()["error"]["code"] if is_error else None


def test_every_operation_needs_a_key_that_is_valid(
    served: Served, plain: httpx.Client, operations: list[tuple[str, str]]
) -> None:
    _, expired = add_key(served.store, "late", ["admin"], expires_in_s=-1)
    gone, revoked = add_key(served.store, "gone", ["admin"])
    revoke_key(served.store, gone.id)
    for method, path in operations:
        if path in OPEN_PATHS:
            continue
        assert ask(plain, method, path, "") == (401, "missing_api_key"), path
        for key in ("sk-assay-" + "x" * 40, revoked):
            assert ask(plain, method, path, key) == (401, "invalid_api_key"), path
        assert ask(plain, method, path, expired) == (401, "expired_api_key"), path


@pytest.mark.parametrize("scope", list(CLOSED))
def test_a_scope_opens_what_is_its_own_alone(
    served: Served, plain: httpx.Client, operations: list[tuple[str, str]], scope: str
) -> None:
    _, key = add_key(served.store, scope, [scope])
    closed = [one for one in operations if one[1].startswith(CLOSED[scope])]
    assert len(closed) > 5
    for method, path in closed:
        assert ask(plain, method, path, key) == (403, "insufficient_scope"), (method, path)


def list_outside(served: Served) -> list[str]:
    """What lies beside the store, which nothing of a client's may."""
    outer = served.store.folder.parent
    return sorted(one.name for one in outer.iterdir())


NAMES = [
    "../../etc/passwd",
    "..\\..\\boot.ini",
    "/etc/shadow",
    "a/../../b",
    "..%2f..%2fc",
    "．．／d",
    "a\u202egpj.exe",
    "nul\0l.jsonl",
    "\U0001f600" * 200,
    "." * 300,
    "con",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files_and_suffixes_lead_nowhere(served: Served, name: str) -> None:
    before, client = list_outside(served), served.client()
    content = render_rows(map(build_chat, range(12)))
    made = client.files.create(file=(name, content), purpose="fine-tune")
    assert {"/", "\\", "\0", "\u202e"}.isdisjoint(made.filename) and len(made.filename) <= 255
    assert (get_folder(served.store) / made.id).read_bytes() == content
    suffix = name.replace("\0", "")[:64]
    job = client.fine_tuning.jobs.create(model="tiny", training_file=made.id, suffix=suffix)
    assert {one.name for one in (served.store.folder / "jobs").iterdir()} >= {job.id}
    client.fine_tuning.jobs.cancel(job.id)
    assert list_outside(served) == before


@settings(max_examples=50)
@given(st.text(max_size=64))
def test_no_suffix_makes_a_name_that_is_a_path(suffix: str) -> None:
    name = name_model("tiny", suffix, "ftjob-abc")
    assert name.count(":") == 4 and name.isascii() and {"/", "\\", ".", "\0"}.isdisjoint(name)


@pytest.mark.parametrize("identity", ["../keys.db", "..", "%2e%2e", "a\0b", "file-" + "x" * 5000])
def test_ids_that_are_paths_are_no_ids(served: Served, identity: str) -> None:
    headers = {"authorization": f"Bearer {served.key}"}
    quoted = quote(quote(identity, safe=""), safe="")
    for place in (quote(identity, safe=""), quoted):
        for path in (f"/files/{place}", f"/files/{place}/content", f"/fine_tuning/jobs/{place}"):
            found = httpx.get(served.url + path, headers=headers)
            assert found.status_code == 404 and found.json()["error"]["code"], path


def build_zip() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../outside.txt", "x")
        archive.writestr("bomb.jsonl", b"0" * 10_000_000)
    return content.getvalue()


@pytest.mark.parametrize("name", ["a.zip", "a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_an_archive_is_bytes_and_is_never_unpacked(served: Served, name: str) -> None:
    before, content = list_outside(served), build_zip()
    client = served.client()
    made = client.files.create(file=(name, content), purpose="fine-tune")
    found = client.files.retrieve(made.id)
    assert found.status == "error" and found.status_details
    assert client.files.content(made.id).read() == content
    assert list_outside(served) == before
    client.files.delete(made.id)


def send_slowly(place: str, pieces: Iterator[bytes], pause_s: float) -> tuple[bytes, float]:
    """What a server answers to a body that comes piece by piece, and after how long."""
    target = urlsplit(place)
    began = time.monotonic()
    with socket.create_connection((target.hostname, target.port), 10) as connection:
        head = f"POST {target.path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"
        connection.sendall(head.encode())
        connection.settimeout(pause_s)
        for piece in pieces:
            try:
                return connection.recv(4096), time.monotonic() - began
            except TimeoutError:
                connection.sendall(piece)
    raise AssertionError("the server still waits")


def test_a_body_that_drips_is_ended_though_it_never_stops(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    router = APIRouter()

    @router.post("/read")
    async def read(body: dict[str, Any]) -> dict[str, int]:
        return {"keys": len(body)}

    limits = Limits(idle_s=0.5, slowest_bytes_per_s=1000)
    with serving(build_app(store, routers=[router], limits=limits)) as url:
        found, took_s = send_slowly(f"{url}/read", iter([b" "] * 100), 0.1)
    assert found.startswith(b"HTTP/1.1 408") and took_s < 5
    store.close()


PRIVATE = [
    "http://127.0.0.1/",
    "http://localhost:22/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://10.1.2.3/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "http://user:word@example.com/",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_nothing_that_a_client_names_is_asked_on_private_networks(served: Served, url: str) -> None:
    client = served.client()
    with pytest.raises(openai.BadRequestError) as refused:
        client.webhooks.create(name="w", url=url, event_types=["fine_tuning.job.failed"])
    assert refused.value.param == "url"
    judge: Any = {
        "type": "score_model",
        "name": "j",
        "model": "tiny",
        "url": url,
        "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
    }
    for grader, place in (
        (judge, "grader.url"),
        (
            {"type": "multi", "graders": {"j": judge}, "calculate_output": "j"},
            "grader.graders.j.url",
        ),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            client.fine_tuning.alpha.graders.run(grader=grader, model_sample="x")
        assert refused.value.param == place


class Kept(logging.Handler):
    """All that is logged, as the server writes it; but for what the test's own client logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonLines())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] not in ("openai", "httpx", "httpx2", "httpcore"):
            self.lines.append(self.format(record))


@pytest.fixture()
def kept() -> Iterator[Kept]:
    """Whatever any package logs at any level."""
    handler, root = Kept(), logging.getLogger()
    loggers = [root, *map(logging.getLogger, ("assay", "assay.serve", "uvicorn.error"))]
    before = [logger.level for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def test_no_log_of_a_whole_session_holds_prompts_rows_or_keys(
    served: Served, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = served.client()
    messages = [{"role": "user", "content": SECRET}]
    few: dict[str, Any] = {"model": "tiny", "messages": messages, "max_completion_tokens": 2}
    client.chat.completions.create(**few, store=True, metadata={"note": SECRET}, user=SECRET)
    assert list(client.chat.completions.create(**few, stream=True))
    client.completions.create(model="tiny", prompt=SECRET, max_tokens=2)
    client.embeddings.create(model="tiny", input=SECRET)
    client.responses.create(model="tiny", input=SECRET, max_output_tokens=16)
    rows = [*map(build_chat, range(12)), {"messages": messages}]
    file = client.files.create(file=(f"{SECRET}.jsonl", render_rows(rows)), purpose="fine-tune")
    client.fine_tuning.jobs.create(
        model="tiny", training_file=file.id, suffix="s", metadata={"note": SECRET}
    )
    grader = {"type": "python", "name": "p", "source": f"def grade(s, i): raise {SECRET!r}"}
    client.fine_tuning.alpha.graders.run(grader=grader, model_sample=SECRET)
    for call in (
        lambda: client.chat.completions.create(**{**few, "messages": [{"role": SECRET}]}),
        lambda: client.chat.completions.create(**few, extra_body={SECRET: SECRET}),
        lambda: client.responses.create(model="tiny", input=[], instructions=None),
        lambda: client.fine_tuning.jobs.create(model=SECRET, training_file=SECRET),
        lambda: client.files.retrieve(quote(SECRET)),
        lambda: client.models.retrieve(SECRET),
        lambda: client.with_options(api_key=SECRET).models.list(),
    ):
        with pytest.raises(openai.APIStatusError) as caught:
            call()
        assert caught.value.status_code < 500, caught.value
    fail_once(monkeypatch)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**few)
    text = "\n".join(kept.lines)
    assert "/chat/completions" in text and "builtins.ValueError" in text
    assert [line for line in kept.lines if "heron" in line or served.key in line] == []


def fail_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next chat meet a bug whose text quotes the prompt."""

    def fail(*args: Any) -> None:
        raise ValueError(f"cannot read {SECRET}")

    monkeypatch.setattr("assay.serve.inference.asked._refuse_prompts", fail)


def test_the_document_has_what_the_application_has(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    assert "/v1/files" in describe_app(build_app(store))["paths"]
    store.close()
