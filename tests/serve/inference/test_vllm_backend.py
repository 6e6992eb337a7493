"""A server whose base lies in vLLM (a fake of its HTTP contract): same answers, same rules."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from releases import Known, make_release
from sockets import Served
from sockets import serving as serving_app

from assay.errors import ConfigError, GenerationError
from assay.generate.engine import Sampling
from assay.generate.local import LocalEngine
from assay.generate.schema import Guide
from assay.models.base import BaseFiles, find_base, load_model
from assay.release import SigningKey, load_or_make_key
from assay.runs.store import add_key, open_store
from assay.serve.app import build_app
from assay.serve.inference import chat, completions
from assay.serve.inference.catalog import ReleaseCatalog
from assay.serve.inference.inference import build_inference, build_remote
from assay.serve.inference.vllm_batch import VllmBatch
from assay.serve.inference.vllm_server import RemoteAdapter, VllmServer
from fake_vllm import FakeVllm, serving

NAME = "ft:tiny:assay:desk:00000001"


@pytest.fixture(scope="module")
def base(small_base: Path) -> BaseFiles:
    return find_base(str(small_base))


def make_engine(base: BaseFiles, adapter: Path | None = None) -> LocalEngine:
    from peft import PeftModel

    model = load_model(base)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    return LocalEngine(model, base.tokenizer, context_len=base.context_len)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_make_key(tmp_path_factory.mktemp("key") / "key.pem")


@pytest.fixture(scope="module")
def known(base: BaseFiles, key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Known:
    records = Known()
    root = tmp_path_factory.mktemp("releases")
    records.add(make_release(base, root, NAME, key=key, seed=3))
    return records


@pytest.fixture(scope="module")
def vllm(base: BaseFiles) -> Iterator[FakeVllm]:
    with serving(make_engine(base), lambda folder: make_engine(base, folder)) as served:
        yield served


@pytest.fixture(scope="module", params=["remote", "local"])
def client(
    request: pytest.FixtureRequest,
    base: BaseFiles,
    known: Known,
    vllm: FakeVllm,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[openai.OpenAI]:
    catalog = ReleaseCatalog(base, ("tiny",), 1, known)
    if request.param == "remote":
        server = VllmServer(vllm.url, base.tokenizer)
        catalog.load_adapter = server.load_adapter
        inference = build_remote(base, catalog, server)
    else:
        inference = build_inference(base, catalog)
    store = open_store(tmp_path_factory.mktemp("store"))
    _, secret = add_key(store, "tests", ["admin"])
    routers = [part.build_router(inference) for part in (chat, completions)]
    with serving_app(build_app(store, routers=routers)) as url:
        yield Served(store, url, secret).client()
    inference.close()
    store.close()


ANSWERS: dict[str, Any] = {}


def ask(client: openai.OpenAI, model: str, **options: Any) -> Any:
    return client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Say something."}],
        **{"max_completion_tokens": 9, "temperature": 0, "logprobs": True, **options},
    )


@pytest.mark.parametrize("model", ["tiny", NAME])
@pytest.mark.parametrize("options", [{}, {"n": 2}, {"stop": "e"}, {"stream": True}], ids=str)
def test_answers_are_those_of_the_base_in_memory(
    request: pytest.FixtureRequest, client: openai.OpenAI, model: str, options: dict[str, Any]
) -> None:
    """Each case is asked of both: the second compares."""
    answer = ask(client, model, **options)
    if options.get("stream"):
        told: Any = "".join(c.choices[0].delta.content or "" for c in answer if c.choices)
    else:
        told = [
            (
                one.message.content,
                one.finish_reason,
                [(t.token, round(t.logprob, 3)) for t in one.logprobs.content],
            )
            for one in answer.choices
        ] + [answer.usage.completion_tokens]
    case = f"{model} {options}"
    assert ANSWERS.setdefault(case, told) == told


def test_an_adapter_is_read_by_its_content_once_it_was_verified(
    vllm: FakeVllm, base: BaseFiles, key: SigningKey, tmp_path: Path
) -> None:
    records, server = Known(), VllmServer(vllm.url, base.tokenizer)
    record = make_release(base, tmp_path, "ft:tiny:assay::1", key=key, seed=5)
    records.add(record)
    catalog = ReleaseCatalog(base, ("tiny",), 1, records, load_adapter=server.load_adapter)
    principal: Any = dataclasses.make_dataclass("User", [])()
    adapter = catalog.open(record.id, principal).adapter
    assert vllm.engines[adapter.name] is not None and adapter.name.startswith(record.id)
    config = record.folder / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"lora_alpha": 999}))
    again = ReleaseCatalog(base, ("tiny",), 1, records, load_adapter=server.load_adapter)
    before = len(vllm.asked)
    with pytest.raises(Exception, match="cannot be served"):
        again.open(record.id, principal)
    assert len(vllm.asked) == before, "nothing that is not as it was signed is shown to vLLM"


def test_a_server_of_another_base_is_refused(tmp_path: Path, vllm: FakeVllm) -> None:
    tiny = find_base("tiny").tokenizer
    odd = dataclasses.replace(tiny) if dataclasses.is_dataclass(tiny) else tiny

    class Other:
        def encode(self, text: str) -> list[int]:
            return [*odd.encode(text), 1]

    with pytest.raises(ConfigError, match="another tokenizer"):
        VllmServer(vllm.url, Other())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no vLLM"):
        VllmServer("http://127.0.0.1:9/v1", tiny)
    with pytest.raises(ConfigError, match="engine_url"):
        VllmServer("file:///etc/passwd", tiny)


def test_what_vllm_cannot_bind_or_answer_is_told(
    vllm: FakeVllm, base: BaseFiles, tmp_path: Path
) -> None:
    batch = VllmBatch(VllmServer(vllm.url, base.tokenizer), base.tokenizer)
    with pytest.raises(GenerationError, match="tool_choice auto"):
        batch.begin([5], Sampling(3), guide=Guide(None, "start: call"))
    lost = batch.begin([5, 6], Sampling(3), adapter=RemoteAdapter("gone", tmp_path / "none"))
    batch.admit([lost])
    while not (told := batch.step()):
        assert batch.rows == [lost]
    assert told[0].live is lost and told[0].is_last and "does not take" in told[0].error
    assert batch.rows == []


def test_a_row_that_has_left_hears_no_more(vllm: FakeVllm, base: BaseFiles) -> None:
    batch = VllmBatch(VllmServer(vllm.url, base.tokenizer), base.tokenizer)
    stays, leaves = (batch.begin([5, 6], Sampling(4), place=n) for n in range(2))
    batch.admit([stays, leaves])
    batch.remove([leaves])
    told = []
    while batch.rows:
        told += batch.step()
    assert {id(one.live) for one in told} == {id(stays)} and told[-1].is_last
    assert len(stays.row.drawn) + (stays.row.stop_token is not None) == len(told)
    assert leaves.row.drawn == []
