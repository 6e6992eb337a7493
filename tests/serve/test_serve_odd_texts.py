"""Texts that JSON or a URL can spell and a database cannot hold: refused or unknown, never 500."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from batching import Script, build, read, wait
from sockets import Served, serving

from assay.runs.store import add_key, open_store
from assay.runs.store.completions import insert_completion
from assay.runs.store.tables import metadata

BODIES = {
    "/uploads": ['{"bytes":1,"filename":"%s","mime_type":"%s","purpose":"batch"}'],
    "/uploads/u/complete": ['{"part_ids":["%s"]}'],
    "/feedback": [
        '{"completion_id":"c1","comment":"%s"}',
        '{"completion_id":"c1","correction":"%s"}',
        '{"completion_id":"c1","correction":{"role":"assistant","content":"a","odd":"%s"}}',
        '{"completion_id":"%s","rating":1}',
    ],
    "/chat/completions/c1": ['{"metadata":{"%s":"a"}}', '{"metadata":{"user":"%s"}}'],
    "/batches": [
        '{"completion_window":"24h","endpoint":"/v1/embeddings","input_file_id":"%s"}',
    ],
}
PATHS = [
    *(f"GET /{part}/%s" for part in ("chat/completions", "feedback", "batches")),
    *(f"GET /{part}?after=%s" for part in ("chat/completions", "feedback", "batches")),
    "GET /chat/completions/%s/messages",
    "GET /chat/completions?model=%s",
    "GET /chat/completions?metadata[a]=%s",
    "GET /chat/completions?metadata[%s]=b",
    "GET /feedback?completion_id=%s",
    "DELETE /chat/completions/%s",
    "DELETE /chat/completions?person=%s",
    "DELETE /chat/completions?key_id=%s",
    "POST /uploads/%s/cancel",
    "POST /batches/%s/cancel",
]
ODD = ("\\u0000", "\\ud800")
LINE = (
    '{"custom_id":"%s","method":"POST","url":"/v1/chat/completions",'
    '"body":{"model":"%s","messages":[{"role":"user","content":"%s"}]}}'
)


@pytest.fixture(params=["sqlite", "postgres"])
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    url = request.getfixturevalue("postgres") if request.param == "postgres" else ""
    store = open_store(tmp_path / "store", url)
    _, secret = add_key(store, "tests", ["admin"])
    insert_completion(
        store,
        retention_s=1000,
        id="c1",
        project="proj_default",
        key_id="k",
        model="m",
        asked_model="m",
        metadata=None,
        request={},
        response={"choices": [{}]},
    )
    with serving(build(store, Script())) as base:
        yield Served(store, base, secret)
    if not store.is_sqlite:
        metadata.drop_all(store.engine)
    store.close()


def test_odd_texts_are_no_fault_of_the_server(odd: Served) -> None:
    headers = {"authorization": f"Bearer {odd.key}", "content-type": "application/json"}
    found = {}
    with httpx.Client(headers=headers, timeout=60) as client:
        for path, bodies in BODIES.items():
            for body in (body.replace("%s", text) for body in bodies for text in ODD):
                found[path, body] = client.post(odd.url + path, content=body).status_code
        for line in (path.replace("%s", text) for path in PATHS for text in ("%00", "%ED%A0%80")):
            method, path = line.split()
            found[line, ""] = client.request(method, odd.url + path).status_code
    assert {place: status for place, status in found.items() if status >= 500} == {}


def test_odd_lines_of_a_batch_are_answered_or_refused_by_number(odd: Served) -> None:
    client = odd.client()

    def run(*lines: str) -> str:
        file = client.files.create(file=("b", "\n".join(lines).encode()), purpose="batch")
        made = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        return made.id

    bad = wait(client, run(*(LINE % (text, "m", "x") for text in (*ODD, "good"))))
    assert [one.line for one in bad.errors.data] == [1, 2]
    good = wait(client, run(*(LINE % (f"c{n}", text, text) for n, text in enumerate(ODD))))
    assert good.request_counts.completed == 2
    echoed = [one["response"]["body"]["echo"] for one in read(client, good.output_file_id)]
    assert echoed == ["\0", "?"]
