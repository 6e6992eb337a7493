"""Aliases answer by the model that they point at, say which, and go back by themselves."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import openai
import pytest
from asking import WEATHER, ask
from releases import make_release
from sockets import Served, serving
from stored_models import add_job

from assay.models.base import BaseFiles
from assay.release import load_or_make_key
from assay.runs.store import add_key, open_store
from assay.runs.store.aliases import find_alias
from assay.runs.store.events import list_events
from assay.runs.store.models import insert_model
from assay.serve.app import build_app
from assay.serve.inference import chat, completions, embeddings, lora, models
from assay.serve.inference.catalog import ReleaseCatalog
from assay.serve.inference.inference import Inference
from assay.serve.lifecycle.moving import promote_model
from assay.serve.lifecycle.stored_aliases import StoredAliases
from assay.serve.responses import routes as responses
from assay.serve.stored_records import StoredRecords
from assay.tools.policy import Policy, ToolRule

RULE = ToolRule(
    parameters=WEATHER["function"]["parameters"],  # type: ignore[index]
    max_per_turn=1,
    max_per_conversation=1,
)
ALLOWS = Policy(tools={"get_weather": RULE}, max_per_turn=1, max_per_conversation=1)
GOOD, BAD, TORN = "ft:tiny:assay:good:a", "ft:tiny:assay:bad:b", "ft:tiny:assay:torn:c"
NAME = "desk@prod"
QUESTION = "What is the weather in Oslo?"


@pytest.fixture(scope="module")
def aliased(
    inference: Inference, tiny: BaseFiles, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    store = open_store(tmp_path_factory.mktemp("store"))
    key = load_or_make_key(tmp_path_factory.mktemp("key") / "own" / "key.pem")
    add_job(store, "ftjob-1")
    for name, policy in ((GOOD, ALLOWS), (BAD, Policy()), (TORN, ALLOWS)):
        made = make_release(tiny, store.folder, name, key=key, std=0.0, policy=policy)
        with store.write() as connection:
            insert_model(
                store,
                connection,
                id=name,
                base="tiny",
                job_id="ftjob-1",
                folder=made.folder.relative_to(store.folder).as_posix(),
                run=made.run.relative_to(store.folder).as_posix(),
                state="released",
            )
    catalog = ReleaseCatalog(tiny, ("tiny",), 1, StoredRecords(store), aliases=StoredAliases(store))
    own = replace(inference, catalog=catalog)
    _, secret = add_key(store, "tests", ["train", "infer"])
    routers = [
        one.build_router(own) for one in (chat, completions, embeddings, models, lora, responses)
    ]
    with serving(build_app(store, routers=routers)) as url:
        yield Served(store, url, secret)
    store.close()


def wait_until_at(served: Served, model: str) -> Any:
    for _ in range(200):
        row = find_alias(served.store, NAME)
        if row is not None and row.model == model:
            return row
        time.sleep(0.02)
    raise AssertionError(f"{NAME} stays at {row and row.model}")


@pytest.mark.parametrize("is_strict", [False, True])
def test_an_alias_answers_by_its_model_and_says_which(aliased: Served, is_strict: bool) -> None:
    promote_model(aliased.store, NAME, GOOD, actor="tests")
    client = aliased.client(_strict_response_validation=is_strict)
    raw = client.chat.completions.with_raw_response.create(
        model=NAME, messages=[{"role": "user", "content": "Hello"}], max_completion_tokens=4
    )
    marks = {"alias": NAME, "model": GOOD}
    found = raw.parse()
    assert found.model == GOOD and found.model_extra == {"x_assay": marks}
    assert {raw.headers[f"x-assay-{name}"] for name in marks} == {NAME, GOOD}
    chunks = list(ask(client, "Hello", model=NAME, stream=True))
    assert {c.model for c in chunks} == {GOOD} and chunks[0].model_extra["x_assay"] == marks
    text = client.completions.create(model=NAME, prompt="Hello", max_tokens=2)
    assert text.model == GOOD
    said = client.responses.with_raw_response.create(model=NAME, input="Hello")
    assert said.parse().model == GOOD and said.parse().model_extra["x_assay"] == marks
    assert {said.headers[f"x-assay-{name}"] for name in marks} == {NAME, GOOD}
    one = client.models.retrieve(NAME)
    assert one.id == NAME and one.model_extra == {"x_assay": marks}
    listed = {m.id: m.model_extra for m in client.models.list()}
    assert listed[NAME] == {"x_assay": marks} and listed[GOOD] == {} and "tiny" in listed
    with pytest.raises(openai.BadRequestError, match="tuned"):
        client.embeddings.create(model=NAME, input="Hello")
    with pytest.raises(openai.NotFoundError):
        ask(client, "Hello", model="desk@dev")
    with pytest.raises(openai.BadRequestError, match=f"{NAME} points at"):
        client.models.delete(GOOD)


def test_denied_calls_move_an_alias_back_to_the_model_before(aliased: Served) -> None:
    rule = {"max_breach_rate": 0.5, "min_answers": 3}
    promote_model(aliased.store, NAME, GOOD, actor="tests")
    promote_model(aliased.store, NAME, BAD, actor="tests", rule=rule)
    client = aliased.client()
    options: dict[str, Any] = {"model": NAME, "tools": [WEATHER], "max_completion_tokens": 64}
    for place in range(3):
        found = ask(client, QUESTION, stream=False, **options)
        assert (found.model, found.choices[0].message.tool_calls) == (BAD, None), place
    row = wait_until_at(aliased, GOOD)
    assert row.kind == "automatic" and row.evidence["cause"] == "breach_rate"
    assert client.models.retrieve(BAD).model_extra == {}
    _, secret = add_key(aliased.store, "admin", ["admin"])
    shown = aliased.client(api_key=secret).models.retrieve(BAD).model_extra
    assert shown is not None and shown["x_assay"]["counts"]["breached"] >= 3
    assert (row.evidence["num"], row.evidence["of"]) == (3, 3)
    found = ask(client, QUESTION, **options)
    assert found.model == GOOD and found.choices[0].message.tool_calls
    page = list_events(aliased.store, "ftjob-1", after=None, limit=1)
    assert page is not None and page.rows[0].data["alias"] == NAME


def test_a_model_that_cannot_be_served_moves_its_alias_back(aliased: Served) -> None:
    promote_model(aliased.store, NAME, GOOD, actor="tests")
    promote_model(aliased.store, NAME, TORN, actor="tests", rule={"min_answers": 2})
    run = next(aliased.store.folder.glob("*torn*"))
    (run / "release.json.sig").unlink()
    client = aliased.client()
    for _ in range(2):
        with pytest.raises(openai.PermissionDeniedError, match="not a signed release"):
            ask(client, "Hello", model=NAME)
    row = wait_until_at(aliased, GOOD)
    assert row.evidence["cause"] == "error_rate"
    assert ask(client, "Hello", model=NAME).model == GOOD


def post(served: Served, path: str, body: Any, scope: str = "admin") -> httpx.Response:
    _, secret = add_key(served.store, "lora", [scope])
    headers = {"authorization": f"Bearer {secret}"}
    return httpx.post(f"{served.url}/{path}", json=body, headers=headers, timeout=60)


def test_a_release_is_loaded_by_a_further_name_as_vllm_does(aliased: Served) -> None:
    promote_model(aliased.store, NAME, GOOD, actor="tests")
    folder = next(aliased.store.folder.glob("*good*")) / "adapter"
    client = aliased.client()
    for source in (GOOD, NAME, str(folder), f"{folder}/"):
        body = {"lora_name": "desk", "lora_path": source}
        done = post(aliased, "load_lora_adapter", body)
        assert (done.status_code, done.text) == (
            200,
            "Success: LoRA adapter 'desk' added successfully.",
        )
    found = ask(client, "Hello", model="desk")
    assert found.model == GOOD and found.model_extra["x_assay"]["alias"] == "desk"
    assert "desk" in {one.id for one in client.models.list()}
    other = {"lora_name": "desk", "lora_path": BAD}
    assert post(aliased, "load_lora_adapter", other).status_code == 400
    assert post(aliased, "load_lora_adapter", {**other, "load_inplace": True}).status_code == 200
    assert ask(client, "Hello", model="desk").model == BAD
    for _ in range(2):
        done = post(aliased, "unload_lora_adapter", {"lora_name": "desk"})
    assert done.status_code == 404 and done.json()["error"]["param"] == "lora_name"
    with pytest.raises(openai.NotFoundError):
        ask(client, "Hello", model="desk")
    assert post(aliased, "unload_lora_adapter", {"lora_name": GOOD}).status_code == 200
    assert ask(client, "Hello", model=GOOD).model == GOOD


def test_a_name_that_no_header_holds_is_written_in_percent_code(aliased: Served) -> None:
    name = "bürö\r\nx: 1"
    body = {"lora_name": name, "lora_path": GOOD}
    assert post(aliased, "load_lora_adapter", body).status_code == 200
    raw = aliased.client().chat.completions.with_raw_response.create(
        model=name, messages=[{"role": "user", "content": "Hi"}], max_completion_tokens=1
    )
    assert unquote(raw.headers["x-assay-alias"]) == name and "x" not in raw.headers
    assert raw.parse().model_extra["x_assay"]["alias"] == name  # type: ignore[index]


def test_no_other_folder_and_no_other_models_name_is_loaded(
    aliased: Served, tmp_path: Path
) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    run = next(aliased.store.folder.glob("*good*"))
    link = tmp_path / "link"
    link.symlink_to(run / "adapter")
    for source in (
        str(tmp_path),
        str(link),
        f"{tmp_path}/../../../../etc",
        "../adapter",
        "org/hub-adapter",
        f"{run}/adapter/adapter_model.safetensors",
        str(aliased.store.folder),
    ):
        body = {"lora_name": "x", "lora_path": source}
        refused = post(aliased, "load_lora_adapter", body)
        assert refused.status_code == 404, source
        assert refused.json()["error"]["param"] == "lora_path"
    for name in ("tiny", NAME, BAD):
        body = {"lora_name": name, "lora_path": GOOD}
        assert post(aliased, "load_lora_adapter", body).json()["error"]["code"] == "name_taken"
    for path in ("load_lora_adapter", "unload_lora_adapter"):
        assert (
            post(aliased, path, {"lora_name": "x", "lora_path": GOOD}, "train").status_code == 403
        )
        assert post(aliased, path, {}).status_code == 400
    torn = post(aliased, "load_lora_adapter", {"lora_name": "x", "lora_path": TORN})
    assert torn.status_code == 403 and torn.json()["error"]["code"] == "model_not_servable"
    with pytest.raises(openai.NotFoundError):
        ask(aliased.client(), "Hello", model="x")
