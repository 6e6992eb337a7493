"""A real server on a real socket, in a thread; and clients of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import uvicorn

from assay.runs.store import Store
from assay.serve.run import Address, bind


@dataclass(frozen=True)
class Served:
    """A server that answers: its store, its URL, and an admin's key."""

    store: Store
    url: str
    key: str

    def client(self, **options: Any) -> openai.OpenAI:
        given = {"max_retries": 0, "api_key": self.key, "base_url": self.url, **options}
        return openai.OpenAI(**given)


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """`app` on a free port; its base URL."""
    listener = bind(Address(port=0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
