"""Checks 8 to 12: files and uploads in parts."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import Any

import openai

from assay.serve.conformance.check import check, expect, expect_equal, expect_refused
from assay.serve.conformance.session import Session

_MIME = "application/octet-stream"


@check(8, "an upload keeps bytes and purpose; expires_after counts from creation, within bounds")
def check_upload(session: Session) -> None:
    content = bytes(range(256))
    hour = {"anchor": "created_at", "seconds": 3600}
    made = session.upload(content, "user_data", filename="a.bin", expires_after=hour)
    expect_equal((made.bytes, made.purpose, made.object), (256, "user_data", "file"), "The file")
    expect_equal(made.filename, "a.bin", "The file's name")
    expect(made.id and made.created_at and made.status, "A required field of the file is missing.")
    away = abs((made.expires_at or 0) - made.created_at - 3600)
    expect(away <= 1, "expires_at is not an hour after created_at.")
    plain = session.upload(content, "user_data")
    expect_equal(plain.expires_at, None, "expires_at of a file without expires_after")
    for seconds in (3599, 2_592_001):
        late = {"anchor": "created_at", "seconds": seconds}
        expect_refused(
            lambda late=late: session.upload(b"x", "user_data", expires_after=late),  # type: ignore[misc]
            openai.BadRequestError,
            f"An expiry of {seconds} s",
        )


@check(9, "a file's content is what was uploaded, byte for byte")
def check_content(session: Session) -> None:
    client = session.client()
    for content in ("süß ≠ sauer\r\n\0".encode() + bytes(range(256)), b""):
        made = session.upload(content, "user_data", filename="näh.bin")
        expect_equal((made.filename, made.bytes), ("näh.bin", len(content)), "Name and size")
        found = client.files.content(made.id).read()
        expect(found == content, f"{len(content)} bytes came back as {len(found)} others.")


@check(10, "pages of files have every file once, also while files are added")
def check_file_pages(session: Session) -> None:
    client = session.client()
    made = [session.upload(b"x", "user_data").id for _ in range(5)]
    session.upload(b"x", "batch")
    seen: list[str] = []
    pages = client.files.list(purpose="user_data", order="desc", limit=2)
    for place, one in enumerate(islice(pages, 10_000)):
        expect_equal(one.purpose, "user_data", "The purpose of a listed file")
        seen.append(one.id)
        if place < 3:
            session.upload(b"y", "user_data")
    expect(len(set(seen)) == len(seen), "A file came twice.")
    expect(
        [one for one in seen if one in made] == made[::-1], "Files are missing, or out of order."
    )
    oldest = client.files.list(purpose="user_data", order="asc", limit=2)
    found = [one.id for one in islice(oldest, 10_000) if one.id in made]
    expect_equal(found, made, "The list in ascending order")


@check(11, "files are waited for and deleted; those that a job still reads are not")
def check_file_ends(session: Session) -> None:
    client = session.client()
    expect_refused(
        lambda: client.files.create(file=("a", b"x"), purpose="no-such-purpose"),
        openai.BadRequestError,
        "A bad purpose",
    )
    made = session.upload(b"x", "user_data")
    found = client.files.wait_for_processing(made.id, poll_interval=0.1, max_wait_seconds=60)
    expect(found.status in ("processed", "uploaded"), f"The file ends as {found.status}.")
    gone = client.files.delete(made.id)
    expect_equal((gone.id, gone.deleted, gone.object), (made.id, True, "file"), "The deletion")
    expect_refused(lambda: client.files.retrieve(made.id), openai.NotFoundError, "A deleted file")
    chats = session.upload_chats()
    job = session.create_job(training_file=chats)
    expect_refused(
        lambda: client.files.delete(chats), openai.BadRequestError, "Deleting a file in use"
    )
    client.fine_tuning.jobs.cancel(job.id)


@check(12, "a file comes whole out of its parts, by size, order and md5")
def check_parts(session: Session) -> None:
    client, content = session.client(), bytes(range(256)) * 5
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    made = client.uploads.upload_file_chunked(
        file=content,
        filename="parts.bin",
        bytes=len(content),
        mime_type=_MIME,
        purpose="user_data",
        part_size=500,
        md5=digest,
    )
    expect_equal(made.status, "completed", "The status of the upload")
    expect(made.file is not None, "The upload has no file.")
    session.left.undo.append(lambda: session.lenient.files.delete(made.file.id))
    found = client.files.content(made.file.id).read()
    expect(found == content, "The file is not its parts one after another.")
    _check_order(session, client)
    _check_refusals(client)


def _begin(client: Any, num_bytes: int) -> Any:
    return client.uploads.create(
        bytes=num_bytes, filename="p.bin", mime_type=_MIME, purpose="user_data"
    )


def _check_order(session: Session, client: Any) -> None:
    upload = _begin(client, 4)
    parts = [client.uploads.parts.create(upload.id, data=data) for data in (b"ab", b"cd")]
    expect_equal(parts[0].object, "upload.part", "The object of a part")
    done = client.uploads.complete(upload.id, part_ids=[part.id for part in parts[::-1]])
    session.left.undo.append(lambda: session.lenient.files.delete(done.file.id))
    found = client.files.content(done.file.id).read()
    expect_equal(found, b"cdab", "A file whose part_ids turn the parts round")


def _check_refusals(client: Any) -> None:
    for num_bytes, options, what in (
        (2, {"md5": "0" * 32}, "A wrong md5"),
        (3, {}, "A wrong number of bytes"),
    ):
        upload = _begin(client, num_bytes)
        part = client.uploads.parts.create(upload.id, data=b"ab")
        expect_refused(
            lambda upload=upload, part=part, options=options: client.uploads.complete(  # type: ignore[misc]
                upload.id, part_ids=[part.id], **options
            ),
            openai.BadRequestError,
            what,
        )
    upload = _begin(client, 2)
    expect_equal(client.uploads.cancel(upload.id).status, "cancelled", "A cancelled upload")
    expect_refused(
        lambda: client.uploads.parts.create(upload.id, data=b"ab"),
        openai.BadRequestError,
        "A part of a cancelled upload",
    )
