"""Uploads in parts with the official client: whole and in order, or not at all; and swept."""

import errno
import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from sqlalchemy.exc import SQLAlchemyError
from tests.serve.conftest import Served, serving

from assay.runs.store import Store, add_key
from assay.runs.store.files import get_folder
from assay.runs.store.uploads import get_parts_folder
from assay.serve.app import build_app
from assay.serve.limits import Limits
from assay.serve.sweep import sweep_store

ROW = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
CONTENT = bytes(range(256)) * 40


@pytest.fixture(
    params=[pytest.param(False, marks=pytest.mark.slow), True], ids=["lenient", "strict"]
)
def client(request: pytest.FixtureRequest, served: Served) -> openai.OpenAI:
    """The official client; a strict one takes nothing that one as it is would not."""
    return served.client(_strict_response_validation=request.param)


def begin(client: openai.OpenAI, content: bytes = CONTENT, **options: Any) -> str:
    given = {"filename": "a.bin", "mime_type": "text/plain", "purpose": "user_data", **options}
    return client.uploads.create(bytes=len(content), **given).id


def list_parts(store: Store) -> list[Path]:
    folder = get_parts_folder(store)
    return list(folder.iterdir()) if folder.exists() else []


def test_a_chunked_upload_is_one_file(client: openai.OpenAI, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "größe.jsonl"
    path.write_bytes(ROW * 50)
    done = client.uploads.upload_file_chunked(
        file=path,
        mime_type="application/jsonl",
        purpose="fine-tune",
        part_size=1000,
        md5=hashlib.md5(ROW * 50).hexdigest(),
    )
    assert (done.status, done.bytes, done.filename) == ("completed", len(ROW) * 50, path.name)
    assert done.file is not None and done.file.status == "processed"
    assert done.expires_at == pytest.approx(done.created_at + 3600, abs=1)
    assert client.files.content(done.file.id).read() == path.read_bytes()
    assert client.files.retrieve(done.file.id) == done.file
    assert list_parts(store) == []


def test_parts_are_joined_in_the_order_that_is_named(client: openai.OpenAI) -> None:
    upload = begin(client, b"abcdef")
    first, second, unused = (
        client.uploads.parts.create(upload, data=data) for data in (b"def", b"abc", b"xyz")
    )
    assert first.upload_id == upload and unused.id != first.id
    done = client.uploads.complete(upload, part_ids=[second.id, first.id])
    assert done.file is not None
    assert client.files.content(done.file.id).read() == b"abcdef"


def test_what_does_not_fit_makes_no_file_and_may_be_mended(
    client: openai.OpenAI, store: Store
) -> None:
    upload, other = begin(client), begin(client)
    half = len(CONTENT) // 2
    ids = [
        client.uploads.parts.create(upload, data=data).id
        for data in (CONTENT[:half], CONTENT[half:])
    ]
    foreign = client.uploads.parts.create(other, data=CONTENT).id
    for wrong, param in (
        ({"part_ids": ids[:1]}, "part_ids"),
        ({"part_ids": [*ids, ids[0]]}, "part_ids"),
        ({"part_ids": [foreign]}, "part_ids"),
        ({"part_ids": ids, "md5": "0" * 32}, "md5"),
        ({"part_ids": ids, "md5": "no"}, "md5"),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            client.uploads.complete(upload, **wrong)  # type: ignore[arg-type]
        assert caught.value.param == param
    assert list(client.files.list()) == []
    assert not get_folder(store).exists() or list(get_folder(store).iterdir()) == []
    done = client.uploads.complete(upload, part_ids=ids, md5=hashlib.md5(CONTENT).hexdigest())
    assert done.status == "completed"


def test_an_upload_that_has_ended_takes_nothing(client: openai.OpenAI, store: Store) -> None:
    cancelled, done = begin(client, b"a"), begin(client, b"a")
    client.uploads.parts.create(cancelled, data=b"a")
    assert client.uploads.cancel(cancelled).status == "cancelled"
    part = client.uploads.parts.create(done, data=b"a")
    client.uploads.complete(done, part_ids=[part.id])
    assert list_parts(store) == []
    for upload, code in ((cancelled, "upload_cancelled"), (done, "upload_completed")):
        for call in (
            lambda: client.uploads.parts.create(upload, data=b"a"),  # noqa: B023
            lambda: client.uploads.complete(upload, part_ids=[part.id]),  # noqa: B023
            lambda: client.uploads.cancel(upload),  # noqa: B023
        ):
            with pytest.raises(openai.BadRequestError) as caught:
                call()
            assert caught.value.code == code
    with pytest.raises(openai.NotFoundError):
        client.uploads.cancel("upload_none")


def test_an_upload_whose_hour_is_over_has_expired_and_is_swept(
    client: openai.OpenAI, store: Store
) -> None:
    upload, kept = begin(client, b"a"), begin(client, b"b")
    part = client.uploads.parts.create(upload, data=b"a")
    client.uploads.parts.create(kept, data=b"b")
    with store.write() as connection:
        told = "update uploads set expires_at = created_at where id = ?"
        connection.exec_driver_sql(told, (upload,))
    with pytest.raises(openai.BadRequestError) as caught:
        client.uploads.complete(upload, part_ids=[part.id])
    assert caught.value.code == "upload_expired"
    for name, age in (("part_crashed", 1), ("part_coming", None)):
        (get_parts_folder(store) / name).write_bytes(b"left")
        if age is not None:
            os.utime(get_parts_folder(store) / name, (age, age))
    assert len(list_parts(store)) == 4
    sweep_store(store)
    assert (get_parts_folder(store) / "part_coming").exists()
    (get_parts_folder(store) / "part_coming").unlink()
    assert len(list_parts(store)) == 1
    assert client.uploads.cancel(kept).status == "cancelled"


def test_what_is_sent_again_after_a_lost_answer_is_done_once(served: Served) -> None:
    client = served.client()
    again = {"extra_headers": {"x-stainless-retry-count": "1"}}
    upload = begin(client, b"aa")
    assert begin(client, b"aa", **again) == upload != begin(client, b"aa")
    part = client.uploads.parts.create(upload, data=b"a")
    assert client.uploads.parts.create(upload, data=b"a", **again).id == part.id  # type: ignore[arg-type]
    other = client.uploads.parts.create(upload, data=b"a")
    ids = [part.id, other.id]
    done = client.uploads.complete(upload, part_ids=ids)
    assert client.uploads.complete(upload, part_ids=ids, **again) == done  # type: ignore[arg-type]
    assert len(list(client.files.list())) == 1


def test_racing_completions_make_one_file(served: Served) -> None:
    client = served.client()
    upload = begin(client)
    part = client.uploads.parts.create(upload, data=CONTENT)
    ended = list[str]()

    def complete() -> None:
        try:
            ended.append(client.uploads.complete(upload, part_ids=[part.id]).status)
        except openai.BadRequestError as error:
            ended.append(str(error.code))

    threads = [threading.Thread(target=complete) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended.count("completed") == 1 and len(ended) == 6
    assert len(list(client.files.list())) == 1
    assert len(list(get_folder(served.store).iterdir())) == 1


def test_limits_of_uploads_and_parts_are_kept(store: Store) -> None:
    _, secret = add_key(store, "tests", ["infer"])
    with serving(build_app(store, limits=Limits(upload_bytes=100, part_bytes=10))) as url:
        client = Served(store, url, secret).client()
        with pytest.raises(openai.BadRequestError) as caught:
            begin(client, b"x" * 101)
        assert caught.value.param == "bytes"
        upload = begin(client, b"x" * 5)
        with pytest.raises(openai.APIStatusError) as large:
            client.uploads.parts.create(upload, data=b"x" * 11)
        assert large.value.status_code == 413
        client.uploads.parts.create(upload, data=b"x" * 10)
        with pytest.raises(openai.BadRequestError) as full:
            client.uploads.parts.create(upload, data=b"x" * 6)
        assert full.value.code == "too_many_bytes"
        assert len(list_parts(store)) == 1


def test_another_project_sees_no_upload(served: Served) -> None:
    upload = begin(served.client())
    _, secret = add_key(served.store, "other", ["train"], project="proj_other")
    other = served.client(api_key=secret)
    with pytest.raises(openai.NotFoundError) as caught:
        other.uploads.parts.create(upload, data=b"a")
    assert caught.value.code == "upload_not_found"


def test_a_part_that_breaks_off_leaves_nothing(served: Served) -> None:
    upload = begin(served.client())
    headers = {"authorization": f"Bearer {served.key}"}
    url = f"{served.url}/uploads/{upload}/parts"
    odd = httpx.post(url, headers=headers, json={"data": "a"})
    none = httpx.post(url, headers=headers, files={"other": b"a"})
    assert (odd.status_code, none.status_code) == (400, 400)
    assert none.json()["error"]["param"] == "data"
    assert list_parts(served.store) == []


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"purpose": "ransom"}, "purpose"),
        ({"expires_after": {"anchor": "created_at", "seconds": 3599}}, "expires_after.seconds"),
        ({"extra_body": {"bytes": -1}}, "bytes"),
        ({"extra_body": {"path": "/etc"}}, "path"),
    ],
)
def test_a_wrong_upload_is_refused_by_name(
    served: Served, options: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        begin(served.client(), **options)
    assert caught.value.param == param


@pytest.mark.parametrize("stage", ["write", "commit"])
def test_a_completion_that_fails_leaves_nothing_and_can_be_done_again(
    served: Served, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    client = served.client()
    upload = begin(client)
    part = client.uploads.parts.create(upload, data=CONTENT)

    def fail(*given: Any, **named: Any) -> Any:
        if stage == "write":
            raise OSError(errno.ENOSPC, "no space")
        raise SQLAlchemyError("gone")

    with monkeypatch.context() as broken:
        if stage == "write":
            broken.setattr("assay.serve.uploads.join.os.fsync", fail)
        else:
            broken.setattr("assay.serve.uploads.join.end_upload", fail)
        with pytest.raises(openai.InternalServerError) as caught:
            client.uploads.complete(upload, part_ids=[part.id])
    assert caught.value.status_code == (507 if stage == "write" else 500)
    assert list(client.files.list()) == [] and list(get_folder(served.store).iterdir()) == []
    done = client.uploads.complete(upload, part_ids=[part.id])
    assert done.file is not None and client.files.content(done.file.id).read() == CONTENT
