"""`assay guard` over real sockets: the official client before it, a scripted server behind it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openai
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from sockets import serving
from test_serve_tool_policy import ALLOWED, DENIED, POLICY, TOOLS, answer, stream

from assay.cli import main
from assay.errors import UsageError
from assay.serve.guard import build_guard, check_upstream
from assay.serve.guard_log import open_log

QUESTION: list[Any] = [
    {"role": "system", "content": "The key is quartz-8812."},
    {"role": "user", "content": "Where is A1?"},
]


class Upstream:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.whole: dict[str, Any] = {}
        self.chunks: Sequence[Any] = ()
        self.status = 200
        self.may_end = threading.Event()
        self.may_end.set()
        self.app = FastAPI()
        self.app.post("/v1/chat/completions")(self._complete)
        self.app.get("/v1/models")(self._list_models)
        self.app.post("/v1/embeddings")(self._embed)

    async def _complete(self, request: Request) -> Any:
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        if self.status == 302:
            return RedirectResponse("http://127.0.0.1:1/elsewhere")
        if self.status == 201:
            return PlainTextResponse("wire_money 4242")
        if self.status != 200:
            error = {"message": "slow down", "type": "rate", "param": None, "code": "rate"}
            return JSONResponse({"error": error}, self.status, {"retry-after": "7"})
        if not self.asked[-1].get("stream"):
            return self.whole
        return StreamingResponse(self._write(), media_type="text/event-stream")

    def _write(self) -> Iterator[str]:
        *most, last = self.chunks
        yield ": hello\n\n"
        for chunk in most:
            yield f"data: {json.dumps(chunk)}\n\n"
        assert self.may_end.wait(10)
        yield f"data: {json.dumps(last)}\r\n\r\n"
        yield "data: [DONE]\n\n"

    async def _list_models(self) -> Any:
        model = {"id": "m", "object": "model", "created": 1, "owned_by": "us"}
        return {"object": "list", "data": [model]}

    async def _embed(self) -> Any:
        raise AssertionError("the guard lets chat alone through")


@pytest.fixture()
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture()
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.jsonl"


@pytest.fixture(params=[False, True], ids=["lenient", "strict"])
def client(
    request: pytest.FixtureRequest, upstream: Upstream, log_path: Path
) -> Iterator[openai.OpenAI]:
    with (
        serving(upstream.app) as behind,
        open_log(log_path) as log,
        serving(build_guard(POLICY, check_upstream(f"{behind}/"), log=log)) as url,
    ):
        yield openai.OpenAI(
            base_url=url,
            api_key="sk-of-the-client",
            max_retries=0,
            _strict_response_validation=request.param,
        )


def build_answer(content: str | None, calls: Sequence[tuple[str, str]]) -> dict[str, Any]:
    made = answer(content, calls, logprobs=None)
    made["choices"][0]["message"] |= {"refusal": None}
    return {**made, "created": 1, "model": "m"}


def build_chunks(content: str, calls: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{**chunk, "created": 1} for chunk in stream(content, calls, [3, 20])]


def ask(client: openai.OpenAI, **more: Any) -> Any:
    tools: Any = TOOLS
    return client.chat.completions.create(model="m", messages=QUESTION, tools=tools, **more)


def test_a_client_gets_what_is_allowed_and_is_told_what_is_not(
    client: openai.OpenAI, upstream: Upstream, log_path: Path
) -> None:
    upstream.whole = build_answer("I look.", [ALLOWED, DENIED])
    choice = ask(client, temperature=0.5).choices[0]
    assert choice.message.content == "I look."
    assert [one.function.name for one in choice.message.tool_calls] == ["look_up"]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.refusal.startswith("The tool policy blocked 1 call")
    assert choice.model_extra["tool_policy"][0]["breaches"][0]["rule"] == "unknown_tool"
    assert upstream.asked[0]["temperature"] == 0.5
    assert upstream.headers[0]["authorization"] == "Bearer sk-of-the-client"
    (line,) = log_path.read_text("utf-8").splitlines()
    assert {"time", "request_id", "choice", "tool", "outcome", "breaches"} == set(json.loads(line))
    for part in ("quartz", "A1", "sk-of", "wire", "XK77", "4242"):
        assert part not in line
    assert log_path.stat().st_mode & 0o077 == 0


def test_the_streaming_helper_rebuilds_what_is_allowed(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    upstream.chunks = build_chunks("I look.", [DENIED, ALLOWED])
    tools: Any = TOOLS
    with client.chat.completions.stream(model="m", messages=QUESTION, tools=tools) as events:
        seen = [event.model_dump_json() for event in events]
        final = events.get_final_completion().choices[0]
    assert final.message.content == "I look."
    (call,) = final.message.tool_calls or ()
    assert (call.function.name, json.loads(call.function.arguments)) == ("look_up", {"id": "A1"})
    assert (final.message.refusal or "").startswith("The tool policy blocked 1 call")
    assert not any(part in one for one in seen for part in ("wire", "XK77", "4242"))


def test_text_streams_while_a_call_is_held_back(client: openai.OpenAI, upstream: Upstream) -> None:
    upstream.chunks = build_chunks("I look.", [DENIED])
    upstream.may_end.clear()
    text = ""
    with ask(client, stream=True) as chunks:
        for chunk in chunks:
            (choice,) = chunk.choices
            text += choice.delta.content or ""
            assert choice.delta.tool_calls is None
            if text == "I look.":
                # Only now may the server end its answer.
                upstream.may_end.set()
    assert (text, choice.finish_reason) == ("I look.", "stop")


def test_errors_of_the_server_go_on_in_the_envelope(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    upstream.status = 429
    with pytest.raises(openai.RateLimitError) as limited:
        ask(client)
    assert limited.value.code == "rate"
    assert limited.value.response.headers["retry-after"] == "7"
    for status in (302, 201):
        upstream.status = status
        with pytest.raises(openai.InternalServerError) as wrong:
            ask(client)
        assert wrong.value.code == "upstream_invalid"
        assert "4242" not in str(wrong.value)


def test_a_stream_that_is_no_json_ends_with_an_error(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    upstream.chunks = [*build_chunks("I look.", [DENIED])[:-1], ["wire_money"]]
    with pytest.raises(openai.APIError, match="no JSON object"), ask(client, stream=True) as chunks:
        list(chunks)


def test_models_are_listed_and_other_paths_are_not_let_through(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["m"]
    with pytest.raises(openai.NotFoundError) as error:
        client.embeddings.create(model="m", input="hello")
    assert error.value.code == "unknown_url"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="m", messages="hello")  # type: ignore[call-overload]


def test_a_server_that_is_not_there_is_told(log_path: Path) -> None:
    with (
        open_log(log_path) as log,
        serving(build_guard(POLICY, "http://127.0.0.1:9/v1", log=log)) as url,
    ):
        client = openai.OpenAI(base_url=url, api_key="k", max_retries=0)
        with pytest.raises(openai.InternalServerError) as error:
            ask(client)
        assert error.value.code == "upstream_unavailable"


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host/v1", "http://", "http://h?a=b"])
def test_an_upstream_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="base URL"):
        check_upstream(url)


def test_the_verb_takes_a_policy_or_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream = ["guard", "--upstream", "http://127.0.0.1:9/v1"]
    assert main(upstream) == 2
    assert "neither --policy nor --run" in capsys.readouterr().err
    assert main([*upstream, "--policy", "a.yaml", "--run", "b"]) == 2
    assert "both --policy and --run" in capsys.readouterr().err
    wrong = tmp_path / "policy.yaml"
    wrong.write_text("tool: {}\n", encoding="utf-8")
    assert main([*upstream, "--policy", str(wrong)]) == 2
    assert "write tools" in capsys.readouterr().err
