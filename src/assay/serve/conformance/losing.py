"""A proxy in front of the server that loses what it is told to lose, and counts requests.

So faults that lie between client and server can be made without touching either.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from assay.serve.conformance.raw import connect

_OWN_HEADERS = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding")


@dataclass
class Losses:
    """What is lost of the next POSTs: answers after the server gave them, or the requests
    themselves, which are answered by 429 with `retry-after-ms`."""

    url: str = ""
    answers: int = 0
    requests: int = 0
    num_requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextlib.contextmanager
def losing(base_url: str) -> Iterator[Losses]:
    """A proxy of `base_url` while the block lasts; `url` is its own base URL."""
    losses = Losses()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _build_class(base_url, losses))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    losses.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield losses
    finally:
        server.shutdown()
        server.server_close()


def _build_class(base_url: str, losses: Losses) -> type[BaseHTTPRequestHandler]:
    place = urlsplit(base_url)

    class Proxied(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged: headers hold the key."""

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            with losses.lock:
                losses.num_requests += 1
                lose_request = self.command == "POST" and losses.requests > 0
                lose_answer = self.command == "POST" and not lose_request and losses.answers > 0
                losses.requests -= lose_request
                losses.answers -= lose_answer
            if lose_request:
                self.answer(429, {"retry-after-ms": "20"}, _build_error("rate_limit_exceeded"))
                return
            kept = {k: v for k, v in self.headers.items() if k.lower() not in _OWN_HEADERS}
            connection = connect(place)
            connection.request(self.command, place.path + self.path, body, kept)
            response = connection.getresponse()
            content, headers = response.read(), dict(response.getheaders())
            connection.close()
            if lose_answer:
                self.answer(503, {}, _build_error("lost"))
            else:
                self.answer(response.status, headers, content)

        def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in (*_OWN_HEADERS, "date", "server"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = forward

    return Proxied


def _build_error(code: str) -> bytes:
    error = {"message": "Made by the check.", "type": "server_error", "param": None, "code": code}
    return json.dumps({"error": error}).encode()
