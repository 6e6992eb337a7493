"""Files with the official client, lenient and strict: what goes in comes out, once, and by name."""

import os
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.serve.conftest import Served, serving

from assay.runs.store import Store, add_key
from assay.runs.store.creates import Attempt, find_created, fingerprint, note_created
from assay.runs.store.files import get_folder
from assay.serve.app import build_app
from assay.serve.assemble import assembled
from assay.serve.bases import read_bases
from assay.serve.files.names import clean_name
from assay.serve.limits import Limits

ROW = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'


def test_a_file_that_has_expired_is_gone_and_swept(served: Served) -> None:
    client = served.client()
    made = client.files.create(file=("a", b"x"), purpose="user_data")
    with served.store.write() as connection:
        connection.exec_driver_sql("update files set expires_at = created_at")
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)
    assert list(client.files.list()) == []
    assert len(list(get_folder(served.store).iterdir())) == 1
    os.utime(get_folder(served.store) / made.id, (1, 1))
    with assembled(served.store, read_bases(), served=""):
        assert list(get_folder(served.store).iterdir()) == []


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 10_001}, {"order": "up"}, {"limit": "x"}]
)
def test_a_wrong_query_is_400(served: Served, query: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        served.client().files.list(extra_query=query)
    assert caught.value.param == next(iter(query))


def test_an_unknown_cursor_is_404(served: Served) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        served.client().files.list(after="file-none")
    assert caught.value.param == "after"


def test_training_rows_are_checked_at_the_door_and_named(client: openai.OpenAI) -> None:
    good = client.files.create(file=("g.jsonl", ROW * 3), purpose="fine-tune")
    assert client.files.wait_for_processing(good.id).status == "processed"
    lines = ROW + b"{broken\n" + ROW + b"[1]\n" + b"\xff\n"
    bad = client.files.create(file=("b.jsonl", lines), purpose="fine-tune")
    found = client.files.wait_for_processing(bad.id)
    assert found.status == "error" and found.status_details
    for place in ("b.jsonl:2", "b.jsonl:4", "b.jsonl:5"):
        assert place in found.status_details
    assert "b.jsonl:1" not in found.status_details and "b.jsonl:3" not in found.status_details


def test_deleting_takes_row_and_bytes(client: openai.OpenAI, store: Store) -> None:
    made = client.files.create(file=("a", b"x"), purpose="batch")
    gone = client.files.delete(made.id)
    assert (gone.id, gone.deleted, gone.object) == (made.id, True, "file")
    assert list(get_folder(store).iterdir()) == []
    for call in (client.files.retrieve, client.files.delete, client.files.content):
        with pytest.raises(openai.NotFoundError) as caught:
            call(made.id)
        assert caught.value.code == "file_not_found" and caught.value.param == "file_id"


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"data": {"purpose": "nothing"}, "files": {"file": ("a", b"x")}}, "purpose"),
        ({"data": {}, "files": {"file": ("a", b"x")}}, "purpose"),
        ({"data": {"purpose": "batch", "file": "text"}, "files": {"other": ("a", b"x")}}, "file"),
        ({"json": {"purpose": "batch"}}, "file"),
    ],
)
def test_a_form_that_is_wrong_is_400_and_leaves_nothing(
    served: Served, form: dict[str, Any], param: str
) -> None:
    headers = {"authorization": f"Bearer {served.key}"}
    response = httpx.post(f"{served.url}/files", headers=headers, **form)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert not get_folder(served.store).exists()


def test_a_torn_form_is_400(served: Served) -> None:
    headers = {
        "authorization": f"Bearer {served.key}",
        "content-type": "multipart/form-data; boundary=b",
    }
    for content in (b"--b\r\nnonsense", b"--b\r\n\r\n", b""):
        response = httpx.post(f"{served.url}/files", headers=headers, content=content)
        assert response.status_code == 400
        assert response.json()["error"]["message"]


def test_a_file_beyond_the_limit_is_413_and_leaves_nothing(store: Store) -> None:
    _, secret = add_key(store, "t", ["admin"])
    with serving(build_app(store, limits=Limits(file_bytes=1000))) as url:
        client = openai.OpenAI(base_url=url, api_key=secret, max_retries=0)
        client.files.create(file=("a", b"x" * 1000), purpose="batch")
        for size in (1001, 200_000):
            with pytest.raises(openai.APIStatusError) as caught:
                client.files.create(file=("a", b"x" * size), purpose="batch")
            assert caught.value.status_code == 413
    assert len(list(get_folder(store).iterdir())) == 1


def test_without_a_key_no_body_is_waited_for(served: Served) -> None:
    place = urlsplit(served.url)
    head = (
        b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n"
        b"content-type: multipart/form-data; boundary=b\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port), 5) as connection:
        connection.sendall(head)
        assert connection.recv(4096).startswith(b"HTTP/1.1 401")
    assert not get_folder(served.store).exists()


class LosesAnswers:
    """The application, whose first answer to a POST is lost after it was committed."""

    def __init__(self, app: Any) -> None:
        self.app, self.lost = app, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or self.lost:
            await self.app(scope, receive, send)
            return
        self.lost += 1

        async def swallow(message: Any) -> None:
            pass

        await self.app(scope, receive, swallow)
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def test_an_answer_that_is_lost_after_the_commit_makes_one_file(store: Store) -> None:
    _, secret = add_key(store, "t", ["admin"])
    app = LosesAnswers(build_app(store))
    with serving(app) as url:
        client = openai.OpenAI(base_url=url, api_key=secret, max_retries=1)
        made = client.files.create(file=("a", b"x"), purpose="batch")
        assert app.lost == 1
        assert [one.id for one in client.files.list()] == [made.id]
        again = client.files.create(file=("a", b"x"), purpose="batch")
        assert again.id != made.id
    assert len(list(get_folder(store).iterdir())) == 2


def test_a_first_sending_that_is_overtaken_by_its_repetition_makes_nothing(store: Store) -> None:
    mark = fingerprint("key", "files", ["a"])
    first, repeated = Attempt(mark, False, 0.0), Attempt(mark, True, 1.0)
    with store.write() as connection:
        assert find_created(store, connection, repeated) is None
        note_created(store, connection, repeated, "file-1")
        assert find_created(store, connection, first) == "file-1"
        assert find_created(store, connection, Attempt(mark, False, 9e12)) is None


def test_twenty_uploads_at_once_are_twenty_files(served: Served) -> None:
    client = served.client()

    def upload(number: int) -> None:
        client.files.create(file=(f"{number}", b"%d" % number), purpose="batch")

    threads = [threading.Thread(target=upload, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {one.filename for one in client.files.list()}
    assert names == {str(number) for number in range(20)}


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.jsonl", "a.jsonl"),
        ("a\u202egnp.jsonl", "agnp.jsonl"),
        ("a\0b\n.jsonl", "ab.jsonl"),
        ("..", "file"),
        ("", "file"),
        (None, "file"),
        ("e\u0301.txt", "é.txt"),
    ],
)
def test_names_are_shown_and_no_paths(given_name: str | None, kept: str) -> None:
    assert clean_name(given_name) == kept


@settings(max_examples=50)
@given(st.text(max_size=400))
def test_no_name_leads_out_of_a_folder(name: str) -> None:
    kept = clean_name(name)
    assert kept and Path(kept).name == kept and kept.isprintable()
