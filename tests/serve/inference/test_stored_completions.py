"""Stored completions by the official client: what was seen is kept, found, judged and deleted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from asking import WEATHER, ask
from sockets import Served, serving
from sqlalchemy import select

from assay.cli import main
from assay.runs.store import Store, add_key, open_store
from assay.runs.store.completions import completions, pairs, persons
from assay.serve.app import build_app
from assay.serve.completions.chunks import join_chunks
from assay.serve.inference import chat
from assay.serve.inference.inference import Inference
from assay.serve.limits import Limits
from assay.serve.sweep import sweep_store


@pytest.fixture()
def kept(inference: Inference, tmp_path: Path) -> Iterator[Served]:
    store = open_store(tmp_path / "store")
    _, secret = add_key(store, "tests", ["admin"])
    with serving(build_app(store, routers=[chat.build_router(inference)])) as url:
        yield Served(store, url, secret)
    store.close()


@pytest.fixture(
    params=[pytest.param(False, marks=pytest.mark.slow), True], ids=["lenient", "strict"]
)
def client(request: pytest.FixtureRequest, kept: Served) -> openai.OpenAI:
    """The official client; a strict one takes nothing that one as it is would not."""
    return kept.client(_strict_response_validation=request.param)


def count(store: Store) -> int:
    with store.read() as connection:
        return sum(
            len(connection.execute(select(table)).all()) for table in (completions, pairs, persons)
        )


def test_what_was_answered_is_retrieved_updated_and_deleted(
    client: openai.OpenAI, kept: Served
) -> None:
    own = {"topic": "capitals", "turn": "1"}
    made = ask(client, "What is the capital of France?", store=True, metadata=own)
    found = client.chat.completions.retrieve(made.id)
    assert found.choices == made.choices and found.usage == made.usage
    assert found.to_dict()["metadata"] == own
    assert found.to_dict()["temperature"] == 0
    told = client.chat.completions.update(made.id, metadata={"turn": "2"})
    assert told.to_dict()["metadata"] == {"turn": "2"}
    assert [one.id for one in client.chat.completions.list(metadata={"turn": "2"})] == [made.id]
    assert list(client.chat.completions.list(metadata=own)) == []
    gone = client.chat.completions.delete(made.id)
    assert (gone.id, gone.deleted, gone.object) == (made.id, True, "chat.completion.deleted")
    for call in (
        client.chat.completions.retrieve,
        client.chat.completions.delete,
        client.chat.completions.messages.list,
        lambda one: client.chat.completions.update(one, metadata=None),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            call(made.id)
        assert caught.value.code == "completion_not_found"
    assert count(kept.store) == 0


def test_nothing_is_stored_unless_it_is_asked_for(client: openai.OpenAI, kept: Served) -> None:
    ask(client, "Hi", metadata={"a": "b"}, max_completion_tokens=2)
    ask(client, "Hi", store=False, user="ann", max_completion_tokens=2)
    for event in ask(client, "Hi", stream=True, max_completion_tokens=2):
        assert event.id
    with pytest.raises(openai.BadRequestError):
        ask(client, "Hi", store=True, metadata={"k": "v" * 513})
    assert count(kept.store) == 0


@pytest.mark.parametrize("tools", [False, True], ids=["text", "tools"])
def test_a_stream_is_stored_as_it_would_be_whole(kept: Served, tools: bool) -> None:
    client = kept.client()
    options: dict[str, Any] = {"store": True, "seed": 5, "temperature": 0.9, "logprobs": True}
    options |= {"tools": [WEATHER], "tool_choice": "required"} if tools else {"n": 2}
    whole = ask(client, "How is the weather in Oslo?", **options)
    events = list(
        ask(
            client,
            "How is the weather in Oslo?",
            stream=True,
            stream_options={"include_usage": True},
            **options,
        )
    )
    first, second = list(client.chat.completions.list())
    assert (first.id, second.id) == (whole.id, events[0].id)
    same = [one.model_dump(exclude={"id", "created"}) for one in (first, second)]
    for one in same:
        for choice in one["choices"]:
            for call in choice["message"].get("tool_calls") or ():
                call.pop("id")
        # What another request had read before is no part of the answer.
        one["usage"].pop("prompt_tokens_details")
        one.pop("tool_choice"), one.pop("tools")
    assert same[0] == same[1]


def test_a_stream_whose_client_leaves_is_not_stored(kept: Served) -> None:
    stream = ask(kept.client(), "Count up.", store=True, stream=True, max_completion_tokens=400)
    next(iter(stream))
    stream.close()
    ask(kept.client(), "Hi", max_completion_tokens=2)
    assert count(kept.store) == 0


def test_lists_go_on_and_are_narrowed(client: openai.OpenAI) -> None:
    ids = [
        ask(
            client,
            "Hi",
            store=True,
            metadata={"odd": str(n % 2), "n": str(n)},
            model=("tiny", "gpt-4.1-mini")[n % 2],
            max_completion_tokens=1,
        ).id
        for n in range(5)
    ]
    listed = client.chat.completions.list
    assert [one.id for one in listed(limit=2)] == ids
    assert [one.id for one in listed(limit=2, order="desc")] == ids[::-1]
    assert [one.id for one in listed(metadata={"odd": "1"}, limit=1)] == ids[1::2]
    assert [one.id for one in listed(metadata={"odd": "0", "n": "2"})] == [ids[2]]
    assert [one.id for one in listed(model="gpt-4.1-mini")] == ids[1::2]
    with pytest.raises(openai.NotFoundError):
        listed(after="chatcmpl-none")


def test_the_messages_that_were_sent_are_listed(kept: Served) -> None:
    # OpenAI's own type knows the role assistant alone, so the strict client refuses others.
    client = kept.client()
    sent: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Hi "}, {"type": "text", "text": "x"}],
        },
    ]
    made = client.chat.completions.create(
        model="tiny", messages=sent, store=True, max_completion_tokens=1
    )
    found = list(client.chat.completions.messages.list(made.id, limit=1))
    assert [(one.role, one.content) for one in found] == [("system", "Be brief."), ("user", "Hi x")]
    assert found[1].content_parts is not None and len(found[1].content_parts) == 2
    backwards = client.chat.completions.messages.list(made.id, order="desc")
    assert [one.id for one in backwards] == [one.id for one in found][::-1]


def test_a_person_or_a_key_is_forgotten_whole(kept: Served, capsys: Any) -> None:
    key, secret = add_key(kept.store, "second", ["infer"])
    client, other = kept.client(), kept.client(api_key=secret)
    few = {"store": True, "max_completion_tokens": 1}
    by = [
        ask(client, "Hi", user="ann", **few).id,
        ask(client, "Hi", safety_identifier="ann", **few).id,
        ask(client, "Hi", metadata={"user": "ann"}, **few).id,
        ask(client, "Hi", user="ben", **few).id,
        ask(other, "Hi", **few).id,
    ]
    late = ask(client, "Hi", **few).id
    client.chat.completions.update(late, metadata={"safety_identifier": "ann"})
    url = "/chat/completions"
    with pytest.raises(openai.PermissionDeniedError):
        other.delete(url, cast_to=object, options={"params": {"person": "ann"}})
    for query in ({}, {"person": "ann", "key_id": key.id}, {"person": ""}):
        with pytest.raises(openai.BadRequestError):
            client.delete(url, cast_to=object, options={"params": query})
    told = client.delete(url, cast_to=object, options={"params": {"person": "ann"}})
    assert told == {"object": "chat.completions.deleted", "num_deleted": 4}
    assert [one.id for one in client.chat.completions.list()] == by[3:]
    verb = ["completions", "delete", "--store", str(kept.store.folder), "--json"]
    assert main([*verb, "--key", key.id]) == 0
    assert json.loads(capsys.readouterr().out)["num_deleted"] == 1
    assert main(["completions", "list", "--store", str(kept.store.folder), "--json"]) == 0
    (left,) = json.loads(capsys.readouterr().out)
    assert left["id"] == by[3]
    assert main([*verb, "--older-than", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["num_deleted"] == 0
    assert main([*verb, "--person", "ben"]) == 0
    assert count(kept.store) == 0
    assert main(verb) == 2


def test_what_is_deleted_is_not_left_in_the_file(kept: Served) -> None:
    made = ask(kept.client(), "zaubernuss", store=True, max_completion_tokens=1)
    kept.client().chat.completions.delete(made.id)
    with kept.store.engine.connect() as connection:
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
    for path in kept.store.folder.glob("store.db*"):
        assert b"zaubernuss" not in path.read_bytes()


def test_completions_whose_time_is_over_are_gone_and_swept(kept: Served) -> None:
    client = kept.client()
    made = ask(client, "Hi", store=True, user="ann", metadata={"a": "b"}, max_completion_tokens=1)
    with kept.store.write() as connection:
        told = "update stored_completions set expires_at = created_at"
        connection.exec_driver_sql(told)
    assert list(client.chat.completions.list()) == []
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)
    sweep_store(kept.store)
    assert count(kept.store) == 0


def test_another_project_has_its_own(kept: Served) -> None:
    _, secret = add_key(kept.store, "other", ["admin"], project="proj_other")
    other = kept.client(api_key=secret)
    made = ask(kept.client(), "Hi", store=True, user="ann", max_completion_tokens=1)
    assert list(other.chat.completions.list()) == []
    with pytest.raises(openai.NotFoundError):
        other.chat.completions.update(made.id, metadata={})
    params = {"params": {"person": "ann"}}
    told: Any = other.delete("/chat/completions", cast_to=object, options=params)
    assert told["num_deleted"] == 0
    assert kept.client().chat.completions.retrieve(made.id)


def test_a_server_that_stores_nothing_says_so(inference: Inference, tmp_path: Path) -> None:
    store = open_store(tmp_path / "other")
    _, secret = add_key(store, "tests", ["infer"])
    app = build_app(store, routers=[chat.build_router(inference)], limits=Limits(retention_s=0))
    with serving(app) as url, pytest.raises(openai.BadRequestError) as caught:
        ask(Served(store, url, secret).client(), "Hi", store=True)
    assert (caught.value.param, caught.value.code) == ("store", "store_disabled")
    store.close()


def test_chunks_join_with_fields_that_are_not_known() -> None:
    def chunk(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"id": "c", "choices": [{"index": 0, "delta": delta, "logprobs": None, **more}]}

    call = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": "{"}}
    found = join_chunks(
        [
            chunk({"role": "assistant", "content": ""}),
            chunk({"reasoning_content": "a"}),
            chunk({"reasoning_content": "b"}),
            chunk({"tool_calls": [call]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
            chunk({}, finish_reason="tool_calls", tool_policy={"denied": 1}),
            {"id": "c", "choices": [], "usage": {"total_tokens": 3}},
        ]
    )
    (choice,) = found["choices"]
    assert choice["message"]["tool_calls"] == [
        {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]
    assert choice["message"]["content"] is None
    assert choice["message"]["reasoning_content"] == "ab"
    assert (choice["finish_reason"], choice["tool_policy"]) == ("tool_calls", {"denied": 1})
    assert found["usage"] == {"total_tokens": 3} and found["object"] == "chat.completion"
