"""A real server on a real socket, in a thread, over a store of its own; and clients of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
import uvicorn

from assay.runs.store import Store, add_key, open_store
from assay.serve.app import build_app
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


@pytest.fixture()
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture()
def served(store: Store) -> Iterator[Served]:
    _, secret = add_key(store, "tests", ["admin"])
    with serving(build_app(store)) as url:
        yield Served(store, url, secret)


@pytest.fixture(params=[False, True], ids=["lenient", "strict"])
def client(request: pytest.FixtureRequest, served: Served) -> openai.OpenAI:
    """The official client, as it is and as a checker of shapes."""
    return served.client(_strict_response_validation=request.param)


@pytest.fixture()
def make_client(served: Served) -> Callable[..., openai.OpenAI]:
    return served.client
