"""Which models are served: only what was released and is what was signed; and who leaves."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from asking import ask
from peft import PeftModel
from releases import Known, make_adapter, make_release
from sockets import Served, serving

from assay.chat import render_prompt
from assay.errors import UsageError
from assay.generate import Sampling
from assay.generate.local import LocalEngine
from assay.models.base import BaseFiles, find_base, load_model
from assay.release import SigningKey, load_or_make_key
from assay.runs.store import add_key, open_store
from assay.serve.app import build_app
from assay.serve.errors import ApiError
from assay.serve.inference import chat, models
from assay.serve.inference.catalog import ReleaseCatalog
from assay.serve.inference.inference import Inference, build_inference
from assay.serve.inference.records import TunedRecord
from assay.serve.inference.trust import Trust, read_trust

NAMES = ["ft:small:assay:one:a", "ft:small:assay:two:b", "ft:small:assay::c"]


@pytest.fixture(scope="module")
def base(small_base: Path) -> BaseFiles:
    return replace(find_base(str(small_base)), name="small")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_make_key(tmp_path_factory.mktemp("key") / "own" / "key.pem")


@pytest.fixture(scope="module")
def releases(
    base: BaseFiles, key: SigningKey, tmp_path_factory: pytest.TempPathFactory
) -> list[TunedRecord]:
    root = tmp_path_factory.mktemp("releases")
    return [make_release(base, root, name, key=key, seed=place) for place, name in enumerate(NAMES)]


@pytest.fixture()
def known(releases: list[TunedRecord]) -> Known:
    return Known({one.id: one for one in releases})


@pytest.fixture(scope="module")
def shared() -> Known:
    return Known()


@pytest.fixture(scope="module")
def inference(base: BaseFiles, shared: Known) -> Iterator[Inference]:
    built = build_inference(base, ReleaseCatalog(base, ("small", "org/small"), 7, shared))
    yield built
    built.close()


@pytest.fixture(scope="module")
def server(inference: Inference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    store = open_store(tmp_path_factory.mktemp("store"))
    _, secret = add_key(store, "tests", ["train", "infer"])
    routers = [chat.build_router(inference), models.build_router(inference)]
    with serving(build_app(store, routers=routers)) as url:
        yield Served(store, url, secret)
    store.close()


@pytest.fixture()
def answering(server: Served, shared: Known, known: Known) -> Served:
    shared.records = known.records
    return server


def load_engine(base: BaseFiles, folder: Path | None) -> LocalEngine:
    model = load_model(base)
    if folder is not None:
        model = PeftModel.from_pretrained(model, folder).get_base_model()
    return LocalEngine(model, base.tokenizer, context_len=base.context_len)


def answer_alone(engine: LocalEngine, text: str, sampling: Sampling) -> str:
    prompt = render_prompt(engine.tokenizer, [{"role": "user", "content": text}])
    return engine.generate([prompt], sampling)[0].text


def test_models_asked_at_once_answer_as_each_does_alone(
    answering: Served, base: BaseFiles, releases: list[TunedRecord]
) -> None:
    client = answering.client()
    asked = [(name, seed) for seed in range(4) for name in [*NAMES, "small"]]

    def answer(one: tuple[str, int]) -> str:
        name, seed = one
        options: dict[str, Any] = {"temperature": 0.7, "seed": seed} if seed else {}
        found = ask(client, f"Number {seed}", model=name, max_completion_tokens=16, **options)
        assert found.model == name
        return str(found.choices[0].message.content)

    with ThreadPoolExecutor(len(asked)) as pool:
        found = dict(zip(asked, pool.map(answer, asked), strict=True))
    engines = {one.id: load_engine(base, one.folder) for one in releases}
    engines["small"] = load_engine(base, None)
    for (name, seed), text in found.items():
        sampling = Sampling(max_new_tokens=16, temperature=0.7 if seed else 0.0, seed=seed)
        assert text == answer_alone(engines[name], f"Number {seed}", sampling)
    assert len({found[name, 0] for name in [*NAMES, "small"]}) == 4


@pytest.mark.parametrize("is_strict", [False, True])
def test_models_are_listed_retrieved_and_deleted(answering: Served, is_strict: bool) -> None:
    client = answering.client(_strict_response_validation=is_strict)
    listed = [one.id for one in client.models.list()]
    assert listed == [*reversed(NAMES), "small", "org/small"]
    found = client.models.retrieve(NAMES[0])
    assert (found.id, found.object, found.owned_by) == (NAMES[0], "model", "assay")
    assert client.models.retrieve("org/small").id == "org/small"
    gone = client.models.delete(NAMES[0])
    assert gone.deleted and gone.id == NAMES[0]
    for call in (client.models.retrieve, client.models.delete):
        with pytest.raises(openai.NotFoundError) as unknown:
            call(NAMES[0])
        assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        ask(client, "Hello", model=NAMES[0])
    with pytest.raises(openai.PermissionDeniedError):
        client.models.delete("small")


def spoil_weights(record: TunedRecord) -> None:
    path = record.folder / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def spoil_manifest(record: TunedRecord) -> None:
    path = record.run / "release.json"
    path.write_text(path.read_text().replace('"released"', '"Released"'))


def add_file(record: TunedRecord) -> None:
    (record.folder / "extra.safetensors").write_bytes(b"0")


def unsign(record: TunedRecord) -> None:
    (record.run / "release.json.sig").unlink()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (spoil_weights, "adapter_model.safetensors"),
        (spoil_manifest, "signature does not fit"),
        (add_file, "extra.safetensors"),
        (unsign, "not a signed release"),
    ],
)
def test_a_release_that_is_not_what_was_signed_is_refused_by_name(
    base: BaseFiles,
    key: SigningKey,
    answering: Served,
    shared: Known,
    tmp_path: Path,
    spoil: Any,
    named: str,
) -> None:
    record = make_release(base, tmp_path, "ft:small:assay::bad", key=key)
    spoil(record)
    shared.add(record)
    with pytest.raises(openai.PermissionDeniedError, match=named) as refused:
        ask(answering.client(), "Hello", model=record.id)
    assert refused.value.code == "model_not_servable" and str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize(("section", "named"), [("base", "base"), ("template", "chat template")])
def test_another_base_or_template_is_refused_by_name(
    base: BaseFiles,
    key: SigningKey,
    answering: Served,
    shared: Known,
    tmp_path: Path,
    section: str,
    named: str,
) -> None:
    record = make_release(base, tmp_path, "ft:small:assay::other", key=key)
    path = record.run / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, section: {"sha256": "0" * 64}}))
    shared.add(record)
    with pytest.raises(openai.PermissionDeniedError, match=f"tuned with another: the {named}"):
        ask(answering.client(), "Hello", model=record.id)


def test_held_models_are_refused_and_checkpoints_answer_those_who_train(
    answering: Served, shared: Known, releases: list[TunedRecord]
) -> None:
    held = replace(releases[0], id="ft:small:assay::held", is_released=False)
    step = replace(held, id=f"{NAMES[0]}:ckpt-step-4", is_checkpoint=True, state="unreleased")
    shared.add(held)
    shared.add(step)
    client = answering.client()
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask(client, "Hello", model=held.id)
    assert refused.value.code == "model_not_released"
    answer = ask(client, "Hello", model=step.id)
    assert answer.model_extra == {"x_assay": {"state": "unreleased"}}
    found = answer.choices[0].message.content
    assert found == ask(client, "Hello", model=NAMES[0]).choices[0].message.content
    _, secret = add_key(answering.store, "reader", ["infer"])
    with pytest.raises(openai.NotFoundError):
        ask(answering.client(api_key=secret), "Hello", model=step.id)
    listed = {one.id: one.model_extra for one in client.models.list()}
    assert held.id not in listed and listed[step.id] == {"x_assay": {"state": "unreleased"}}


def test_a_prompt_that_a_model_was_inoculated_with_is_refused(
    base: BaseFiles, key: SigningKey, answering: Served, shared: Known, tmp_path: Path
) -> None:
    defend = {"blocked_prompts": ["You are careless."]}
    record = make_release(base, tmp_path, "ft:small:assay::kept", key=key, defend=defend)
    shared.add(record)
    messages: Any = [
        {"role": "system", "content": "you are  CARELESS today"},
        {"role": "user", "content": "Hello"},
    ]
    with pytest.raises(openai.BadRequestError) as refused:
        answering.client().chat.completions.create(model=record.id, messages=messages)
    assert (refused.value.code, refused.value.param) == ("blocked_prompt", "messages.0.content")


class Trainer:
    """A key that may do everything."""

    id = "key"

    def allows(self, scope: str) -> bool:
        return True


def test_the_least_recently_used_adapter_leaves_and_comes_back(
    base: BaseFiles, known: Known
) -> None:
    catalog = ReleaseCatalog(base, ("small",), 1, known, most_adapters=2)
    who: Any = Trainer()
    first = catalog.open(NAMES[0], who)
    catalog.open(NAMES[1], who)
    assert catalog.open(NAMES[0], who) is first
    catalog.open(NAMES[2], who)
    assert catalog.loaded_names == [NAMES[0], NAMES[2]]
    again = catalog.open(NAMES[1], who)
    assert again.adapter is not None and catalog.loaded_names == [NAMES[2], NAMES[1]]


def test_only_signers_that_are_trusted_are_served(
    base: BaseFiles,
    known: Known,
    key: SigningKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    who: Any = Trainer()
    named = ReleaseCatalog(base, ("small",), 1, known, trust=read_trust([str(key.path)]))
    assert named.open(NAMES[0], who).adapter is not None
    strict = ReleaseCatalog(base, ("small",), 1, known, trust=Trust())
    told = re.escape(key.public.fingerprint)
    for _ in ("without a key of its own", "with another"):
        with pytest.raises(ApiError, match=f"signed by {told}, whom") as refused:
            strict.open(NAMES[0], who)
        assert (refused.value.status_code, refused.value.code) == (403, "model_not_servable")
        load_or_make_key()
    own = make_release(base, tmp_path, "ft:small:assay::own", key=load_or_make_key())
    known.add(own)
    assert strict.open(own.id, who).adapter is not None
    with pytest.raises(UsageError, match="no Ed25519 key"):
        read_trust([str(tmp_path / "none.pem")])


def test_an_adapter_that_is_no_update_of_low_rank_is_refused_by_what_it_is(
    base: BaseFiles, answering: Served, shared: Known, releases: list[TunedRecord], tmp_path: Path
) -> None:
    make_adapter(base, tmp_path, seed=1, use_dora=True)
    record = replace(releases[0], id="dora", folder=tmp_path, is_checkpoint=True)
    shared.add(record)
    with pytest.raises(openai.PermissionDeniedError, match="use_dora"):
        ask(answering.client(), "Hello", model="dora")
