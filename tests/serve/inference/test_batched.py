"""Batches over the model: what a line is answered is what a request alone is answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from asking import WEATHER
from batching import QUICK, read, upload, wait
from fastapi import Request
from sockets import Served, serving

from assay.runs.store import add_key, find_key_by_id, list_keys, open_store
from assay.serve.app import build_app
from assay.serve.batches import routes as batches
from assay.serve.batches.run import build_service
from assay.serve.inference import chat, completions, embeddings
from assay.serve.inference.inference import Inference
from assay.serve.own import OwnRequest, choose_lane
from assay.serve.responses import routes as responses


@pytest.fixture()
def batching(inference: Inference, tmp_path: Path) -> Iterator[Served]:
    store = open_store(tmp_path / "store")
    _, secret = add_key(store, "tests", ["infer"])
    routers = [one.build_router(inference) for one in (chat, completions, embeddings, responses)]
    app = build_app(
        store, routers=[*routers, batches.build_router()], services=[build_service(QUICK)]
    )
    with serving(app) as url:
        yield Served(store, url, secret)
    store.close()


CHATS: list[dict[str, Any]] = [
    {
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "n": 2,
        "seed": 4,
    },
    {
        "messages": [{"role": "user", "content": "How is the weather in Oslo?"}],
        "tools": [WEATHER],
        "tool_choice": "required",
        "seed": 5,
    },
    {
        "messages": [{"role": "user", "content": "Hi"}],
        "store": True,
        "metadata": {"from": "batch"},
        "seed": 6,
    },
    {"messages": [], "seed": 1},
]
ASKED: dict[str, list[dict[str, Any]]] = {
    "/chat/completions": [{"max_completion_tokens": 12, **one} for one in CHATS],
    "/completions": [{"prompt": ["One, two", "Red, "], "seed": 3, "max_tokens": 6}],
    "/embeddings": [{"input": ["a", "b c"], "encoding_format": "float"}],
    "/responses": [{"input": "Hi", "max_output_tokens": 6, "seed": 2, "store": False}],
}
_CHANCE = ("id", "created", "created_at", "completed_at", "call_id", "prompt_cache_key")


def strip(value: Any) -> Any:
    """A body without what two equal answers differ in."""
    if isinstance(value, list):
        return [strip(one) for one in value]
    if isinstance(value, dict):
        return {
            key: strip(one)
            for key, one in value.items()
            if key not in _CHANCE and not key.endswith("tokens_details")
        }
    return value


@pytest.mark.parametrize("path", list(ASKED))
def test_a_batch_answers_as_requests_alone_do(batching: Served, path: str) -> None:
    client = batching.client()
    asked = [{"model": "tiny", "temperature": 0.9, **one} for one in ASKED[path]]
    for one in asked if path == "/embeddings" else ():
        one.pop("temperature")
    lines = [
        {"custom_id": str(n), "method": "POST", "url": f"/v1{path}", "body": body}
        for n, body in enumerate(asked)
    ]
    made = client.batches.create(
        input_file_id=upload(client, lines),
        endpoint=f"/v1{path}",  # type: ignore[arg-type]
        completion_window="24h",
    )
    done = wait(client, made.id)
    found = {one["custom_id"]: one["response"] for one in read(client, done.output_file_id)}
    if done.error_file_id:
        found |= {one["custom_id"]: one["response"] for one in read(client, done.error_file_id)}
    for number, body in enumerate(asked):
        response = found[str(number)]
        try:
            alone: Any = client.post(path, cast_to=object, body=body)
        except openai.BadRequestError as error:
            assert response["status_code"] == 400
            assert response["body"]["error"] == error.body
        else:
            assert response["status_code"] == 200
            assert strip(response["body"]) == strip(alone)
    (key,) = list_keys(batching.store)
    spent = find_key_by_id(batching.store, key.id)
    assert spent is not None and done.usage is not None
    if path == "/chat/completions":
        assert [one.id for one in client.chat.completions.list(metadata={"from": "batch"})][:1] == [
            found["2"]["body"]["id"]
        ]
    assert spent.tokens_used >= done.usage.total_tokens > 0


def test_a_budget_that_is_used_up_refuses_lines(batching: Served) -> None:
    _, secret = add_key(batching.store, "poor", ["infer"], token_budget=1)
    client = batching.client(api_key=secret)
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    lines = [
        {"custom_id": f"{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        for n in range(20)
    ]
    made = client.batches.create(
        input_file_id=upload(client, lines),
        endpoint="/v1/chat/completions",
        completion_window="24h",
    )
    rich = batching.client()
    done = wait(rich, made.id)
    assert done.request_counts is not None and done.request_counts.failed > 0
    codes = {one["response"]["body"]["error"]["code"] for one in read(rich, done.error_file_id)}
    assert codes == {"insufficient_quota"}


def test_lines_wait_in_a_lane_of_their_own(batching: Served) -> None:
    def choose(**scope: Any) -> str:
        return choose_lane(Request({"type": "http", "headers": [], **scope}), "key_1")

    own = {OwnRequest.NAME: OwnRequest("key_1")}
    assert choose() == choose(state={}) == choose(state={OwnRequest.NAME: "key_2"}) == "key_1"
    assert choose(state=own) == "batch key_1"
    url = f"{batching.url}/batches"
    told = httpx.get(url, headers={OwnRequest.NAME: "key_1", "x-state": OwnRequest.NAME})
    assert told.status_code == 401
