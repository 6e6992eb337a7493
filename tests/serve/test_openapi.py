"""The OpenAPI document is frozen, and no request made of it, fit or unfit, is a server's error.

``ASSAY_RENEW=1 python -m pytest tests/serve/test_openapi.py`` writes the frozen one anew.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from tests.serve.conftest import Served, serving

from assay.runs.store import add_key, open_store
from assay.serve.assemble import assembled
from assay.serve.bases import Bases
from assay.serve.conformance.rows import build_chat, render_rows

FROZEN = Path(__file__).with_name("openapi.json")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, small_base: Path) -> Iterator[Served]:
    """All routes, answered by a small random base; no job runs."""
    store = open_store(tmp_path_factory.mktemp("openapi"))
    _, secret = add_key(store, "tests", ["admin"])
    bases = Bases({"tiny": str(small_base)})
    with assembled(store, bases, served="tiny") as app, serving(app) as url:
        yield Served(store, url, secret)
    store.close()


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    place = served.url.removesuffix("/v1") + "/openapi.json"
    assert httpx.get(place).status_code == 401
    found = httpx.get(place, headers={"authorization": f"Bearer {served.key}"})
    assert found.status_code == 200
    return dict(found.json())


def test_the_document_is_the_frozen_one(document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("ASSAY_RENEW"):
        FROZEN.write_text(text, encoding="utf-8")
    frozen = json.loads(FROZEN.read_text(encoding="utf-8"))
    told = "if that is meant: ASSAY_RENEW=1 python -m pytest tests/serve/test_openapi.py"
    for frozen_part, part in (
        (frozen["paths"], document["paths"]),
        (frozen["components"]["schemas"], document["components"]["schemas"]),
    ):
        for name in sorted(frozen_part.keys() | part.keys()):
            assert part.get(name) == frozen_part.get(name), f"{name} changed; {told}"
    assert document == frozen, told


def test_every_operation_tells_what_it_takes_and_how_it_refuses(document: dict[str, Any]) -> None:
    names = set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            names.add(operation["operationId"])
            assert operation["description"], (method, path)
            assert "422" not in operation["responses"] and "default" in operation["responses"]
            is_open = operation.get("security") == []
            assert is_open == (path == "/health")
    assert len(names) == sum(map(len, document["paths"].values()))
    for path in ("/v1/files", "/v1/uploads/{upload_id}/parts"):
        assert "multipart/form-data" in document["paths"][path]["post"]["requestBody"]["content"]


@pytest.fixture(scope="module")
def known(served: Served) -> dict[str, str]:
    """Ids that are there, by the name of their parameter."""
    client = served.client()
    file = client.files.create(
        file=("rows.jsonl", render_rows(map(build_chat, range(12)))), purpose="fine-tune"
    )
    job = client.fine_tuning.jobs.create(model="tiny", training_file=file.id)
    upload = client.uploads.create(bytes=2, filename="a", mime_type="a/b", purpose="user_data")
    answer = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "a"}],
        max_completion_tokens=1,
        store=True,
    )
    return {
        "file_id": file.id,
        "job_id": job.id,
        "upload_id": upload.id,
        "completion_id": answer.id,
        "model": "tiny",
    }


def ask_everything(
    served: Served, document: dict[str, Any], known: dict[str, str], num_examples: int
) -> None:
    """Fail with what was answered otherwise than it should be, as commands that ask it again."""
    api = schemathesis.openapi.from_dict(document)
    wrong: list[str] = []
    statuses: Counter[int] = Counter()
    session = requests.Session()
    session.headers["authorization"] = f"Bearer {served.key}"

    def ask(case: Case) -> None:
        base = served.url.removesuffix("/v1")
        found = case.call(base_url=base, session=session, timeout=120)
        statuses[found.status_code] += 1
        is_fit = found.status_code < 500
        if found.status_code >= 400:
            body = json.loads(found.content)
            is_fit &= set(body) == {"error"} and bool(body["error"]["message"])
        if not is_fit:
            wrong.append(f"{found.status_code}: {case.as_curl_command()}")

    bounded = settings(
        max_examples=num_examples,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    for found in api.get_all_operations():
        operation = found.ok()
        names = {one.name for one in operation.path_parameters}
        real = {name: known[name] for name in names & set(known)}
        for mode in GenerationMode:
            for given_ids in [{}, real] if real and len(real) == len(names) else [{}]:
                cases = operation.as_strategy(
                    generation_mode=mode, path_parameters=given_ids or None
                )
                try:
                    bounded(given(cases)(ask))()
                except Unsatisfiable:
                    continue
    assert not wrong, "\n".join(wrong)
    assert {200, 400, 404} <= set(statuses), statuses


def test_no_request_is_the_servers_error(
    served: Served, document: dict[str, Any], known: dict[str, str]
) -> None:
    ask_everything(served, document, known, 3)


@pytest.mark.slow
def test_no_request_of_many_is_the_servers_error(
    served: Served, document: dict[str, Any], known: dict[str, str]
) -> None:
    ask_everything(served, document, known, 50)
