"""What holds for every request: keys, scopes, envelopes, ids, limits; over a real socket."""

import logging
import socket
import time
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict
from tests.serve.conftest import Served, serving

from assay.runs.store import Store, add_key
from assay.serve.app import build_app
from assay.serve.auth import Principal, RateLimits, require
from assay.serve.errors import ApiError
from assay.serve.limits import Limits

FIELDS = {"message", "type", "param", "code"}


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int


def build_probe() -> APIRouter:
    """Routes that fail in every way."""
    router = APIRouter()

    @router.post("/probe/asked")
    def ask(asked: Asked, who: Annotated[Principal, Depends(require("train"))]) -> dict[str, Any]:
        return {"count": asked.count, "project": who.project}

    @router.get("/probe/bug")
    def fail() -> None:
        raise RuntimeError("a secret detail")

    @router.get("/probe/conflict")
    def conflict() -> None:
        raise ApiError(409, "Taken.", code="conflict")

    @router.post("/probe/read")
    async def read(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    return router


@pytest.fixture()
def served(store: Store) -> Iterator[Served]:
    _, secret = add_key(store, "tests", ["admin"])
    app = build_app(store, routers=[build_probe()], limits=Limits(body_bytes=1000, idle_s=0.3))
    with serving(app) as url:
        yield Served(store, url, secret)


def post(served: Served, path: str, content: bytes, key: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {key or served.key}", "content-type": "application/json"}
    return httpx.post(served.url + path, content=content, headers=headers)


def read_error(response: httpx.Response) -> dict[str, Any]:
    body = response.json()
    assert set(body) == {"error"} and set(body["error"]) == FIELDS
    assert response.headers["x-request-id"]
    return dict(body["error"])


def test_health_needs_no_key(served: Served) -> None:
    response = httpx.get(served.url.removesuffix("/v1") + "/health")
    assert (response.status_code, response.json()["status"]) == (200, "ok")


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer " + "k" * 600])
def test_no_usable_key_is_401(served: Served, header: str) -> None:
    response = httpx.post(
        f"{served.url}/probe/asked", json={"count": 1}, headers={"authorization": header}
    )
    assert response.status_code == 401
    error = read_error(response)
    assert error["type"] == "authentication_error" and error["code"]


def test_a_scope_that_is_lacking_is_403_and_an_expired_key_401(served: Served) -> None:
    _, infer = add_key(served.store, "i", ["infer"])
    _, late = add_key(served.store, "l", ["admin"], expires_in_s=-1)
    with pytest.raises(openai.PermissionDeniedError) as denied:
        served.client(api_key=infer).post("/probe/asked", cast_to=object, body={"count": 1})
    assert denied.value.code == "insufficient_scope"
    with pytest.raises(openai.AuthenticationError) as expired:
        served.client(api_key=late).post("/probe/asked", cast_to=object, body={"count": 1})
    assert expired.value.code == "expired_api_key"


@pytest.mark.parametrize(
    ("content", "param", "code"),
    [
        (b"{", None, "invalid_json"),
        (b"\xff\xfe", None, None),
        (b"{}", "count", "missing_required_parameter"),
        (b'{"count": "x"}', "count", "invalid_value"),
        (b'{"count": 1, "more": 2}', "more", "unknown_parameter"),
        (b"[1]", None, "invalid_value"),
    ],
)
def test_a_wrong_body_is_400_with_the_path(
    served: Served, content: bytes, param: str | None, code: str | None
) -> None:
    response = post(served, "/probe/asked", content)
    assert response.status_code == 400
    error = read_error(response)
    assert error["param"] == param
    assert error["code"] == (code or error["code"])
    assert error["type"] == "invalid_request_error"


def test_unknown_paths_and_methods_are_in_the_envelope(served: Served) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        served.client().get("/nothing/here", cast_to=object)
    assert (caught.value.code, caught.value.type) == ("unknown_url", "invalid_request_error")
    response = httpx.delete(f"{served.url}/probe/asked")
    assert response.status_code == 405
    assert read_error(response)["code"] == "method_not_allowed"


def test_a_bug_tells_nothing_of_itself_and_is_logged(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "assay.serve"), pytest.raises(openai.InternalServerError):
        served.client().get("/probe/bug", cast_to=object)
    assert "a secret detail" in caplog.text
    response = httpx.get(f"{served.url}/probe/bug")
    assert "secret" not in response.text
    assert read_error(response)["type"] == "server_error"


def test_a_conflict_is_not_tried_again(served: Served) -> None:
    with pytest.raises(openai.ConflictError):
        served.client(max_retries=3).get("/probe/conflict", cast_to=object)
    text = httpx.get(f"{served.url.removesuffix('/v1')}/metrics", headers=bearer(served)).text
    line = next(one for one in text.splitlines() if "conflict" in one and "requests_total" in one)
    assert line.endswith(" 1.0") and 'status="409"' in line


def bearer(served: Served) -> dict[str, str]:
    return {"authorization": f"Bearer {served.key}"}


def test_a_body_beyond_the_limit_is_413_announced_or_not(served: Served) -> None:
    announced = post(served, "/probe/read", b"x" * 1001)
    assert announced.status_code == 413
    assert read_error(announced)["code"] == "request_too_large"
    parts = (b"x" * 100 for _ in range(11))
    assert httpx.post(f"{served.url}/probe/read", content=parts).status_code == 413
    assert post(served, "/probe/read", b"x" * 1000).json() == {"bytes": 1000}


def test_a_body_that_stops_coming_is_ended(served: Served) -> None:
    place = urlsplit(served.url)
    with socket.create_connection((place.hostname, place.port), 5) as connection:
        connection.sendall(
            b"POST /v1/probe/read HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc"
        )
        connection.settimeout(5)
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")


def test_too_many_requests_are_429_with_the_time_to_wait(served: Served) -> None:
    _, secret = add_key(served.store, "slow", ["train"], requests_per_minute=30)
    client = served.client(api_key=secret)
    with pytest.raises(openai.RateLimitError) as caught:
        for _ in range(60):
            client.post("/probe/asked", cast_to=object, body={"count": 1})
    assert 0 < int(caught.value.response.headers["retry-after-ms"]) <= 2000
    patient = served.client(api_key=secret, max_retries=1)
    assert patient.post("/probe/asked", cast_to=object, body={"count": 2})


def test_a_used_up_budget_is_429_and_final(served: Served) -> None:
    _, secret = add_key(served.store, "b", ["train"], token_budget=0)
    with pytest.raises(openai.RateLimitError) as caught:
        served.client(api_key=secret, max_retries=3).post(
            "/probe/asked", cast_to=object, body={"count": 1}
        )
    assert caught.value.code == "insufficient_quota"


def test_buckets_fill_evenly() -> None:
    now = [0.0]
    limits = RateLimits(clock=lambda: now[0])
    assert [limits.take("k", 2) for _ in range(3)] == [0, 0, 30]
    now[0] = 30
    assert limits.take("k", 2) == 0
    assert limits.take("k", 2) == 30
    assert limits.take("other", 2) == 0


def test_neither_keys_nor_bodies_are_logged(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "assay.serve"):
        post(served, "/probe/asked", b'{"count": 1, "note": "very private words"}')
        # A request is logged once its answer has been sent, which the client may have by then.
        until = time.monotonic() + 10
        while not any(one.getMessage() == "request" for one in caplog.records):
            assert time.monotonic() < until
            time.sleep(0.01)
    lines = [vars(record) for record in caplog.records if record.name == "assay.serve"]
    assert lines and lines[-1]["route"].endswith("/probe/asked") and lines[-1]["key_id"]
    assert served.key not in str(lines) and "very private words" not in str(lines)


def test_metrics_are_for_admins(served: Served) -> None:
    _, train = add_key(served.store, "t", ["train"])
    url = served.url.removesuffix("/v1") + "/metrics"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"authorization": f"Bearer {train}"}).status_code == 403
    text = httpx.get(url, headers=bearer(served)).text
    assert 'assay_jobs{status="queued"} 0.0' in text
