"""A server of its own for each test, over a store of its own; and clients of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
from sockets import Served, serving

from assay.runs.store import Store, add_key, open_store
from assay.serve.app import build_app


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


@pytest.fixture()
def client(served: Served) -> openai.OpenAI:
    """The client as a checker of shapes, which takes nothing that one as it is would not."""
    return served.client(_strict_response_validation=True)


@pytest.fixture()
def make_client(served: Served) -> Callable[..., openai.OpenAI]:
    return served.client
