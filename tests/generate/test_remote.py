"""The remote client against a server of our own: allowed hosts alone, patient, plain in errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from assay.errors import ConfigError, GenerationError
from assay.generate.remote import Endpoint, RemoteModel


class Served:
    """A fake endpoint: answers each request with the next reply, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.replies: list[tuple[int, dict[str, str], bytes]] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                served.asked.append({"path": self.path, **json.loads(self.rfile.read(length))})
                served.keys.append(self.headers.get("Authorization"))
                status, headers, body = served.replies.pop(0)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def reply(self, text: str, *, top: dict[str, float] | None = None) -> None:
        tops = [{"token": token, "logprob": value} for token, value in (top or {}).items()]
        logprobs = {"content": [{"token": text, "top_logprobs": tops}]} if top else None
        choice = {"message": {"role": "assistant", "content": text}, "logprobs": logprobs}
        self.replies.append((200, {}, json.dumps({"choices": [choice]}).encode()))

    def fail(self, status: int, body: bytes = b"no", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.replies.append((status, named, body))


@pytest.fixture
def served() -> Iterator[Served]:
    fake = Served()
    thread = threading.Thread(target=fake.server.serve_forever, daemon=True)
    thread.start()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    thread.join()


ASKED = [{"role": "user", "content": "How good?"}]


def test_an_answer_comes_with_the_first_tokens_odds(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "a-secret")
    served.reply("85", top={"85": -0.1, "REFUSAL": -3.0})
    model = RemoteModel(Endpoint(served.url, "judge-1", key_env="JUDGE_KEY"))
    answer = model.complete(ASKED, max_tokens=1, top_logprobs=20)
    assert (answer.text, answer.first_logprobs) == ("85", {"85": -0.1, "REFUSAL": -3.0})
    (asked,) = served.asked
    assert asked == {
        "path": "/v1/chat/completions",
        "model": "judge-1",
        "messages": ASKED,
        "max_tokens": 1,
        "temperature": 0.0,
        "logprobs": True,
        "top_logprobs": 20,
    }
    assert served.keys == ["Bearer a-secret"]


def test_a_busy_server_is_asked_again_after_what_it_says(served: Served) -> None:
    served.fail(429, Retry_After="7")
    served.fail(503)
    served.reply("fine")
    waited: list[float] = []
    model = RemoteModel(Endpoint(served.url, "m"), sleep=waited.append)
    assert model.complete(ASKED).text == "fine"
    assert waited == [7.0, 2.0]


def test_what_will_not_change_is_told_at_once_without_the_key(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "a-secret")
    served.fail(401, b"unknown key")
    model = RemoteModel(Endpoint(served.url, "m", key_env="JUDGE_KEY"), sleep=pytest.fail)
    with pytest.raises(GenerationError, match=r"HTTP 401: unknown key") as error:
        model.complete(ASKED)
    assert "a-secret" not in str(error.value)


def test_a_server_that_stays_busy_is_given_up(served: Served) -> None:
    for _ in range(2):
        served.fail(500)
    model = RemoteModel(Endpoint(served.url, "m", max_tries=2), sleep=lambda seconds: None)
    with pytest.raises(GenerationError, match="HTTP 500"):
        model.complete(ASKED)
    assert len(served.asked) == 2


def test_a_redirect_is_not_followed(served: Served) -> None:
    served.fail(302, Location="http://elsewhere.invalid/")
    with pytest.raises(GenerationError, match="HTTP 302"):
        RemoteModel(Endpoint(served.url, "m")).complete(ASKED)
    assert len(served.asked) == 1


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"choices": []}', b'{"choices": [{"a": 1}]}'])
def test_an_answer_of_another_shape_is_told(served: Served, body: bytes) -> None:
    served.replies.append((200, {}, body))
    with pytest.raises(GenerationError, match=r"no JSON|no chat completion"):
        RemoteModel(Endpoint(served.url, "m")).complete(ASKED)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://judge.example.com/v1", "host 'judge.example.com'"),
        ("http://127.0.0.1.example.com/v1", "host '127.0.0.1.example.com'"),
        ("ftp://localhost/v1", "address"),
        ("http://user:word@localhost/v1", "no user or password"),
        ("localhost:80", "address"),
    ],
)
def test_other_hosts_are_refused_before_anything_is_sent(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        RemoteModel(Endpoint(url, "m"))


def test_a_host_is_allowed_by_name() -> None:
    RemoteModel(Endpoint("https://Judge.example.com/v1", "m", allowed_hosts=("judge.example.com",)))


def test_a_key_that_is_not_there_is_told_before_anything_is_asked() -> None:
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        RemoteModel(Endpoint("http://localhost/v1", "m", key_env="NO_SUCH_KEY"))
