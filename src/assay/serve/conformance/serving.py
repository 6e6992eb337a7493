"""Checks 43, 46 and 47: embeddings, clients that go away, many models at once."""

from __future__ import annotations

import base64
import json
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from assay.serve.conformance.check import check, expect, expect_equal
from assay.serve.conformance.raw import connect
from assay.serve.conformance.rows import ask_colour
from assay.serve.conformance.session import Session

_FREED_WITHIN_S = 20.0


@check(43, "embeddings come as base64 and as numbers, and are the same")
def check_embeddings(session: Session) -> None:
    client, model = session.client(), session.target.model
    # What the client asks by itself is base64, which a client that validates refuses to take.
    usual = session.lenient.embeddings.create(model=model, input=["a", "a cat"])
    numbers = client.embeddings.create(model=model, input=["a", "a cat"], encoding_format="float")
    # The client's type of a vector that was asked for as base64 is still a list.
    coded = session.lenient.embeddings.create(model=model, input="a cat", encoding_format="base64")
    expect_equal([one.index for one in usual.data], [0, 1], "The indices")
    expect(usual.usage.total_tokens > 0, "No tokens are counted.")
    wanted = numbers.data[1].embedding
    expect(_are_close(usual.data[1].embedding, wanted), "The client's own choice differs.")
    text: Any = coded.data[0].embedding
    expect(isinstance(text, str), "base64 was asked for, and not given.")
    content = base64.b64decode(text)
    found = list(struct.unpack(f"<{len(content) // 4}f", content))
    expect(_are_close(found, wanted), "base64 holds other numbers.")


def _are_close(found: Any, wanted: Any) -> bool:
    return len(found) == len(wanted) and all(
        abs(one - other) < 1e-3 for one, other in zip(found, wanted, strict=True)
    )


@check(46, "streams whose clients go away free their places")
def check_disconnects(session: Session) -> None:
    began = time.monotonic()
    session.ask("Hello", max_completion_tokens=1)
    alone_s = time.monotonic() - began
    threads = [
        threading.Thread(target=_leave, args=[session], daemon=True)
        for _ in range(session.target.slots)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    began = time.monotonic()
    session.ask("Hello", max_completion_tokens=1)
    took_s = time.monotonic() - began
    most_s = _FREED_WITHIN_S + alone_s
    expect(took_s < most_s, f"An answer took {took_s:.1f} s after all streams were left.")


def _leave(session: Session) -> None:
    """Begin an answer that would take long, read its first bytes, and go."""
    place = urlsplit(session.target.base_url)
    body = {
        "model": session.target.model,
        "messages": [{"role": "user", "content": "Tell me a long story."}],
        "stream": True,
        "temperature": 2.0,
        "response_format": {"type": "json_object"},
    }
    headers = {
        "authorization": f"Bearer {session.target.api_key}",
        "content-type": "application/json",
    }
    connection = connect(place)
    with suppress(OSError):
        path = f"{place.path.rstrip('/')}/chat/completions"
        connection.request("POST", path, json.dumps(body), headers)
        connection.getresponse().read(1)
    connection.close()


@check(47, "tuned models that are asked at once answer as each does alone", trains=True)
def check_neighbours(session: Session) -> None:
    job = session.train_first()
    points = session.client().fine_tuning.jobs.checkpoints.list(job.id).data
    names = [session.target.model, job.fine_tuned_model]
    names += [point.fine_tuned_model_checkpoint for point in points]
    asked = [(name, number) for number in range(4) for name in names]

    def answer(one: tuple[str, int]) -> str:
        name, number = one
        found = session.ask(ask_colour(number), model=name, max_completion_tokens=8)
        return str(found.choices[0].message.content)

    alone = [answer(one) for one in asked]
    with ThreadPoolExecutor(len(asked)) as pool:
        together = list(pool.map(answer, asked))
    for one, other, (name, number) in zip(alone, together, asked, strict=True):
        expect_equal(other, one, f"The answer of {name} to question {number}, asked with others,")
    expect(len(set(alone)) > 1, "All models give one answer, so that nothing can be told apart.")
