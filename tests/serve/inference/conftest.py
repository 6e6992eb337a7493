"""A server that answers with a small random base, or with `tiny`; clients of both."""

from collections.abc import Iterator

import openai
import pytest
from sockets import Served, serving

from assay.generate.local import LocalEngine
from assay.models.base import BaseFiles, find_base, load_model
from assay.runs.store import Store, add_key, open_store
from assay.serve.app import build_app
from assay.serve.inference import chat, completions, embeddings
from assay.serve.inference.catalog import ReleaseCatalog
from assay.serve.inference.inference import Inference, build_inference
from assay.serve.inference.records import NoRecords
from assay.serve.inference.scheduler import Capacity
from assay.serve.responses import routes as responses


@pytest.fixture(scope="session")
def tiny() -> BaseFiles:
    return find_base("tiny")


@pytest.fixture(scope="session")
def tiny_engine(tiny: BaseFiles) -> LocalEngine:
    return LocalEngine(load_model(tiny), tiny.tokenizer, context_len=tiny.context_len)


@pytest.fixture(scope="session")
def inference(tiny: BaseFiles) -> Iterator[Inference]:
    catalog = ReleaseCatalog(tiny, ("tiny", "gpt-4.1-mini"), 1, NoRecords())
    built = build_inference(tiny, catalog, capacity=Capacity(rows=8))
    yield built
    built.close()


@pytest.fixture(scope="session")
def asked(inference: Inference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    store: Store = open_store(tmp_path_factory.mktemp("asked"))
    _, secret = add_key(store, "tests", ["infer"])
    routers = [part.build_router(inference) for part in (chat, completions, embeddings, responses)]
    with serving(build_app(store, routers=routers)) as url:
        yield Served(store, url, secret)
    store.close()


@pytest.fixture()
def openai_client(asked: Served) -> openai.OpenAI:
    """The client as a checker of shapes, which takes nothing that one as it is would not."""
    return asked.client(_strict_response_validation=True)
