"""A model behind an OpenAI-compatible endpoint (a judge, a teacher): asked over HTTP, nothing else.

Only hosts that are allowed are ever connected to, redirects are not followed, and the key is read
from the environment when a request is sent: it is in no recipe, log or message.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from assay.errors import ConfigError, GenerationError, Problem

LOOPBACK = ("localhost", "127.0.0.1", "::1")
BUSY = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed a little later."""
MAX_ANSWER_BYTES = 4 << 20
EMBEDDED_AT_ONCE = 64
"""Texts of one request for embeddings: their answer stays below `MAX_ANSWER_BYTES`."""


@dataclass(frozen=True)
class Endpoint:
    """Where a model is served, and how it is asked.

    Attributes:
        base_url: up to and without ``/chat/completions`` or ``/embeddings``, such as
            ``http://localhost:8000/v1``.
        model: its name there.
        key_env: the environment variable that holds the key; None sends none.
        allowed_hosts: beside this machine's own names, the hosts that may be connected to.
        timeout_s: of one request.
        max_tries: requests for one answer, in all.
    """

    base_url: str
    model: str
    key_env: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    timeout_s: float = 60.0
    max_tries: int = 4


@dataclass(frozen=True)
class RemoteAnswer:
    """A text, and what the endpoint says of it.

    Attributes:
        first_logprobs: of the likeliest first tokens, where they were asked.
        refusal: in words that the endpoint marks as one, or "filtered".
        num_tokens: that prompt and answer cost, where the endpoint says so.
        finish_reason: as the endpoint says it: "stop", "length", …
    """

    text: str
    first_logprobs: Mapping[str, float] = field(default_factory=dict)
    refusal: str = ""
    num_tokens: int = 0
    finish_reason: str = ""


class _NoRedirect(HTTPRedirectHandler):
    """An answer from elsewhere is no answer of an allowed host."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class RemoteModel:
    """Asks one endpoint.

    Args:
        sleep: waits so many seconds between tries.

    Raises:
        ConfigError: the address is no HTTP address, its host is not allowed, or there is no key.
    """

    def __init__(self, endpoint: Endpoint, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.endpoint = endpoint
        self._sleep = sleep
        host = _check_host(endpoint)
        _read_key(endpoint)
        proxies: dict[str, str] | None = {} if host in LOOPBACK else None
        self._opener = build_opener(_NoRedirect, ProxyHandler(proxies))

    def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        max_tokens: int | None = 16,
        temperature: float | None = 0.0,
        top_logprobs: int = 0,
        fields: Mapping[str, Any] | None = None,
    ) -> RemoteAnswer:
        """The answer to a chat; None leaves a setting to the endpoint.

        Args:
            fields: of the request, as they are sent, beside those named here.

        Raises:
            GenerationError: the endpoint cannot be reached, refuses, or answers something else.
        """
        asked: dict[str, Any] = {
            "model": self.endpoint.model,
            "messages": [dict(message) for message in messages],
            **(fields or {}),
        }
        for name, value in (("max_tokens", max_tokens), ("temperature", temperature)):
            if value is not None:
                asked[name] = value
        if top_logprobs:
            asked |= {"logprobs": True, "top_logprobs": top_logprobs}
        return _read_answer(self._ask("chat/completions", asked), self.endpoint)

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """An embedding of each text, in order.

        Raises:
            GenerationError: as `complete`.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), EMBEDDED_AT_ONCE):
            part = list(texts[start : start + EMBEDDED_AT_ONCE])
            asked = {"model": self.endpoint.model, "input": part, "encoding_format": "float"}
            vectors += _read_vectors(self._ask("embeddings", asked), len(part), self.endpoint)
        return vectors

    def _ask(self, path: str, asked: Mapping[str, Any]) -> Any:
        return read_json(self.send(path, asked), self.endpoint)

    def send(self, path: str, asked: Mapping[str, Any]) -> bytes:
        """The body of the answer to what is asked at `path` below the endpoint's address.

        Raises:
            GenerationError: as `complete`.
        """
        for number in range(1, self.endpoint.max_tries + 1):
            try:
                with self._opener.open(
                    self._build(path, asked), timeout=self.endpoint.timeout_s
                ) as response:
                    return _read_body(response, self.endpoint)
            except HTTPError as error:
                with error:
                    told = error.read(400).decode("utf-8", "replace")
                if error.code not in BUSY or number == self.endpoint.max_tries:
                    raise _fail(self.endpoint, f"HTTP {error.code}: {told}") from error
                wait = _read_wait(error.headers.get("Retry-After"), number)
            except (URLError, HTTPException, OSError) as error:
                if number == self.endpoint.max_tries:
                    raise _fail(self.endpoint, str(error)) from error
                wait = _read_wait(None, number)
            self._sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _build(self, path: str, asked: Mapping[str, Any]) -> Request:
        headers = {"Content-Type": "application/json"}
        key = _read_key(self.endpoint)
        if key:
            headers["Authorization"] = f"Bearer {key}"
        url = f"{self.endpoint.base_url.rstrip('/')}/{path}"
        return Request(url, json.dumps(asked).encode(), headers, method="POST")


def _read_key(endpoint: Endpoint) -> str | None:
    """The key, read anew each time; None where the endpoint wants none."""
    if endpoint.key_env is None:
        return None
    key = os.environ.get(endpoint.key_env)
    if not key:
        name = endpoint.key_env
        do = f"export {name}, or name the variable that holds the key"
        raise ConfigError(Problem(got=f"no environment variable {name}", do=do))
    return key


def _check_host(endpoint: Endpoint) -> str:
    parts = urlsplit(endpoint.base_url)
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise ConfigError(
            Problem(
                got=f"address {endpoint.base_url!r}",
                allowed="http:// or https://, a host, and no user or password",
                do="write the address up to /chat/completions",
            )
        )
    allowed = {*LOOPBACK, *(name.lower() for name in endpoint.allowed_hosts)}
    if host not in allowed:
        raise ConfigError(
            Problem(
                got=f"host {host!r}",
                allowed=", ".join(sorted(allowed)),
                do="allow the host by name, if what is asked may leave this machine",
            )
        )
    return host


def _read_body(response: IO[bytes], endpoint: Endpoint) -> bytes:
    content = response.read(MAX_ANSWER_BYTES + 1)
    if len(content) > MAX_ANSWER_BYTES:
        raise _fail(endpoint, f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    return content


def read_json(content: bytes, endpoint: Endpoint) -> Any:
    """What an answer says.

    Raises:
        GenerationError: it is no JSON.
    """
    try:
        return json.loads(content)
    except ValueError as error:
        raise _fail(endpoint, "an answer that is no JSON") from error


def _read_answer(content: Any, endpoint: Endpoint) -> RemoteAnswer:
    try:
        (choice, *_) = content["choices"]
        text = choice["message"].get("content") or ""
        filtered = "filtered" if choice.get("finish_reason") == "content_filter" else ""
        refusal = choice["message"].get("refusal") or filtered
        num_tokens = int((content.get("usage") or {}).get("total_tokens") or 0)
        tokens = (choice.get("logprobs") or {}).get("content") or []
        first = tokens[0]["top_logprobs"] if tokens else []
        logprobs = {one["token"]: float(one["logprob"]) for one in first}
        ended = str(choice.get("finish_reason") or "")
        return RemoteAnswer(str(text), logprobs, str(refusal), num_tokens, ended)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise _fail(endpoint, "an answer that is no chat completion") from error


def _read_vectors(content: Any, count: int, endpoint: Endpoint) -> list[list[float]]:
    try:
        rows = sorted(content["data"], key=lambda row: int(row["index"]))
        vectors = [[float(value) for value in row["embedding"]] for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise _fail(endpoint, "an answer that is no list of embeddings") from error
    if [row["index"] for row in rows] != list(range(count)) or len(set(map(len, vectors))) > 1:
        raise _fail(endpoint, f"embeddings other than one of each of {count} texts")
    return vectors


def _read_wait(told: str | None, number: int) -> float:
    """Seconds until the next try: what the server says, at most a minute, else 1, 2, 4 …"""
    if told and told.isdigit():
        return min(60.0, float(told))
    return min(60.0, float(2 ** (number - 1)))


def _fail(endpoint: Endpoint, reason: str) -> GenerationError:
    return GenerationError(f"{endpoint.base_url} ({endpoint.model}): {reason}")
