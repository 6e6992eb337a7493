"""Responses by the official client over a socket: what chat completions say, as items, events."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from asking import WEATHER, ask
from pydantic import BaseModel
from sockets import Served, serving
from sqlalchemy import update

from assay.runs.store import add_key
from assay.runs.store.kept import sweep_kept
from assay.runs.store.responses import KEPT, responses
from assay.serve.app import build_app
from assay.serve.inference.inference import Inference
from assay.serve.limits import Limits
from assay.serve.responses import routes as response_routes

QUESTION = "What is the capital of France?"
TOOL: Any = {"type": "function", **WEATHER["function"]}


@pytest.fixture()
def strict(asked: Served) -> openai.OpenAI:
    """The client as a checker of shapes, which takes nothing that one as it is would not."""
    return asked.client(_strict_response_validation=True)


def answer(client: openai.OpenAI, given: Any, **options: Any) -> Any:
    """A greedy answer of few tokens unless told otherwise."""
    asked = {"model": "tiny", "max_output_tokens": 24, "temperature": 0, **options}
    return client.responses.create(input=given, **asked)


def test_a_response_is_the_chat_completion(openai_client: openai.OpenAI) -> None:
    for options in ({}, {"temperature": 0.9, "top_p": 0.8, "seed": 11}):
        seed = {"extra_body": {"seed": options.pop("seed")}} if "seed" in options else {}
        chat = ask(openai_client, QUESTION, **options, **seed)
        found = answer(openai_client, QUESTION, **options, **seed)
        assert found.output_text == chat.choices[0].message.content
        assert found.usage.input_tokens == chat.usage.prompt_tokens
        assert found.usage.output_tokens == chat.usage.completion_tokens
        assert found.usage.total_tokens == chat.usage.total_tokens
        assert found.usage.input_tokens_details.cache_write_tokens == 0
    assert found.object == "response" and found.id.startswith("resp_") and found.error is None
    assert (found.temperature, found.top_p, found.tools) == (0.9, 0.8, [])
    assert [item.type for item in found.output] == ["message"]


def test_instructions_and_messages_are_the_chats(strict: openai.OpenAI) -> None:
    turns: Any = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": [{"type": "input_text", "text": "Who am I?"}]},
    ]
    plain = [*turns[:2], {"role": "user", "content": "Who am I?"}]
    system: Any = {"role": "system", "content": "Answer briefly."}
    chat = strict.chat.completions.create(
        model="tiny", messages=[system, *plain], temperature=0, max_completion_tokens=24
    )
    found = answer(strict, turns, instructions="Answer briefly.")
    assert found.output_text == chat.choices[0].message.content
    assert found.usage.input_tokens == chat.usage.prompt_tokens  # type: ignore[union-attr]
    assert found.instructions == "Answer briefly."


def test_length_leaves_it_incomplete(strict: openai.OpenAI) -> None:
    found = answer(strict, QUESTION, max_output_tokens=2)
    assert (found.status, found.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert found.output[0].status == "incomplete" and found.usage.output_tokens == 2


def test_a_stream_tells_what_the_whole_one_is(strict: openai.OpenAI) -> None:
    options: Any = {"temperature": 1.1, "extra_body": {"seed": 3}, "max_output_tokens": 40}
    whole = answer(strict, QUESTION, **options)
    events = list(answer(strict, QUESTION, stream=True, **options))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        f"response.{whole.status}",
    ]
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    final = events[-1].response
    assert "".join(pieces) == whole.output_text == final.output_text and len(pieces) > 4
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert events[0].response.output == [] and events[0].response.status == "in_progress"
    cut = list(answer(strict, QUESTION, stream=True, max_output_tokens=2))
    assert cut[-1].type == "response.incomplete"


def test_events_bear_their_names_and_no_end_mark(asked: Served) -> None:
    body = {"model": "tiny", "input": "Hi.", "stream": True, "max_output_tokens": 4}
    headers = {"authorization": f"Bearer {asked.key}"}
    text = httpx.post(f"{asked.url}/responses", json=body, headers=headers).text
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        assert name.removeprefix("event: ") == json.loads(data.removeprefix("data: "))["type"]


def test_a_call_goes_out_and_its_result_comes_in(strict: openai.OpenAI) -> None:
    question: Any = {"role": "user", "content": "What is the weather in Oslo?"}
    options: Any = {"tools": [TOOL], "max_output_tokens": 64}
    first = answer(strict, [question], **options)
    (call,) = first.output
    assert (call.type, call.name, call.status) == ("function_call", "get_weather", "completed")
    assert json.loads(call.arguments)["city"] and call.call_id.startswith("call_")
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain, 4 °C."}
    second = answer(strict, [question, *first.output, result], **options)
    assert second.status == "completed" and second.output_text
    by_id = answer(strict, [result], previous_response_id=first.id, **options)
    assert by_id.output_text == second.output_text
    assert by_id.usage.input_tokens == second.usage.input_tokens
    chat = strict.chat.completions.create(
        model="tiny",
        messages=[
            question,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": call.call_id,
                        "type": "function",
                        "function": {"name": call.name, "arguments": call.arguments},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": call.call_id, "content": "Rain, 4 °C."},
        ],
        tools=[WEATHER],  # type: ignore[list-item]
        temperature=0,
        max_completion_tokens=64,
    )
    assert second.output_text == chat.choices[0].message.content


def test_tool_choice_binds_or_hides(asked: Served) -> None:
    client = asked.client(_strict_response_validation=True)
    named = {"type": "function", "name": "get_weather"}
    for choice in ("required", named):
        found = answer(
            client,
            "Tell me a joke.",
            tools=[TOOL],
            tool_choice=choice,
            parallel_tool_calls=False,
            max_output_tokens=80,
        )
        assert [item.type for item in found.output] == ["function_call"]
        assert list(json.loads(found.output[0].arguments)) == ["city"]
    hidden = answer(client, "What is the weather in Oslo?", tools=[TOOL], tool_choice="none")
    assert [item.type for item in hidden.output] == ["message"]


class City(BaseModel):
    name: str
    is_capital: bool


def test_the_clients_helpers_put_streams_together_and_parse(openai_client: openai.OpenAI) -> None:
    options: dict[str, Any] = {"model": "tiny", "temperature": 0}
    with openai_client.responses.stream(input=QUESTION, max_output_tokens=60, **options) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created" and final.status == "completed"
    whole = answer(openai_client, QUESTION, max_output_tokens=60)
    assert final.output_text == whole.output_text
    strict: Any = [{**TOOL, "strict": True}]
    text = "What is the weather in Oslo?"
    with openai_client.responses.stream(
        input=text, tools=strict, max_output_tokens=64, **options
    ) as calling:
        done = [event for event in calling if event.type == "response.output_item.done"]
        called = calling.get_final_response().output[-1]
    assert len(done) == 1 and called.type == "function_call" and json.loads(called.arguments)
    parsed = openai_client.responses.parse(
        input="Describe Paris as JSON.", text_format=City, max_output_tokens=120, **options
    )
    if parsed.status == "completed":
        assert isinstance(parsed.output_parsed, City)
    else:
        assert parsed.output_text.startswith("{")


def test_a_schema_is_kept_to_and_echoed(strict: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}
    schema["additionalProperties"] = False
    form: Any = {"type": "json_schema", "name": "one", "schema": schema}
    found = answer(strict, "Choose.", text={"format": form}, max_output_tokens=40)
    assert json.loads(found.output_text)["a"] in ("x", "y")
    assert found.text.format.name == "one"
    some = answer(strict, "Say it.", text={"format": {"type": "json_object"}})
    assert some.output_text.lstrip().startswith("{")


def test_logprobs_are_of_the_text(strict: openai.OpenAI) -> None:
    options: Any = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    found = answer(strict, QUESTION, **options)
    entries = found.output[0].content[0].logprobs
    assert b"".join(bytes(e.bytes) for e in entries).decode() == found.output_text
    assert all(len(e.top_logprobs) == 2 for e in entries)
    told = [
        entry.token
        for event in answer(strict, QUESTION, stream=True, **options)
        if event.type == "response.output_text.delta"
        for entry in event.logprobs
    ]
    assert told == [entry.token for entry in entries]


def test_what_is_kept_is_read_listed_gone_on_with_and_forgotten(
    strict: openai.OpenAI,
) -> None:
    first = answer(strict, "My name is Ada.", metadata={"team": "a"})
    assert strict.responses.retrieve(first.id) == first
    streamed = list(answer(strict, "Who am I?", previous_response_id=first.id, stream=True))[
        -1
    ].response
    together: Any = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "Who am I?"},
    ]
    second = answer(strict, together, store=False)
    assert streamed.output_text == second.output_text
    assert streamed.usage.input_tokens == second.usage.input_tokens
    listed = list(strict.responses.input_items.list(streamed.id, limit=2, order="asc"))
    assert [one.role for one in listed] == ["user", "assistant", "user"]  # type: ignore[union-attr]
    newest = strict.responses.input_items.list(streamed.id).data[0]
    assert newest == listed[-1] and newest.content[0].text == "Who am I?"  # type: ignore[union-attr, index]
    with pytest.raises(openai.NotFoundError):
        strict.responses.retrieve(second.id)
    assert second.store is False and first.store is True  # type: ignore[attr-defined]
    strict.responses.delete(first.id)
    for gone in (strict.responses.retrieve, strict.responses.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            gone(first.id)
        assert caught.value.code == "response_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        answer(strict, "And now?", previous_response_id=streamed.id)
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"


def test_responses_are_their_projects_and_expire(asked: Served) -> None:
    client = asked.client()
    made = answer(client, "Hi.")
    _, secret = add_key(asked.store, "other", ["infer"], project="proj_other")
    with pytest.raises(openai.NotFoundError):
        asked.client(api_key=secret).responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError):
        answer(asked.client(api_key=secret), "And?", previous_response_id=made.id)
    with asked.store.write() as connection:
        past = update(responses).where(responses.c.id == made.id).values(expires_at=1.0)
        connection.execute(past)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    sweep_kept(asked.store, KEPT)
    with asked.store.read() as connection:
        assert (
            connection.execute(responses.select().where(responses.c.id == made.id)).first() is None
        )


def test_all_of_a_person_go_at_once(asked: Served) -> None:
    _, secret = add_key(asked.store, "admin", ["admin"])
    client = asked.client(api_key=secret)
    options: Any = {"max_output_tokens": 2, "temperature": 0}
    named = [{"user": "ann"}, {"safety_identifier": "ann"}, {"metadata": {"user": "ann"}}]
    gone = [answer(client, "Hi.", **one, **options).id for one in named]
    left = answer(client, "Hi.", user="ben", **options).id
    deleted = client.delete(
        "/chat/completions", cast_to=httpx.Response, options={"params": {"person": "ann"}}
    )
    assert deleted.json()["num_deleted"] == 3
    for one in gone:
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(one)
    assert client.responses.retrieve(left).id == left


def test_a_server_that_keeps_nothing_keeps_no_response(asked: Served, inference: Inference) -> None:
    app = build_app(
        asked.store,
        routers=[response_routes.build_router(inference)],
        limits=Limits(retention_s=0),
    )
    with serving(app) as url:
        client = asked.client(base_url=url)
        made = answer(client, "Hi.", max_output_tokens=2)
        assert made.store is False
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)
        with pytest.raises(openai.BadRequestError) as refused:
            answer(client, "Hi.", store=True)
        assert refused.value.param == "store"


def test_a_failure_amid_the_stream_is_told_as_its_end(
    asked: Served, inference: Inference, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = asked.client(_strict_response_validation=True)
    step, done = inference.batch.step, 0

    def fail_later() -> Any:
        nonlocal done
        done += 1
        if done > 4:
            raise RuntimeError("a detail of ours")
        return step()

    monkeypatch.setattr(type(inference.batch), "step", lambda batch: fail_later())
    events = list(answer(client, QUESTION, stream=True))
    monkeypatch.undo()
    last = events[-1]
    assert (last.type, last.response.status) == ("response.failed", "failed")
    assert last.response.error.code == "server_error"
    assert "a detail of ours" not in last.response.error.message
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(last.response.id)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input"),
        ({"input": []}, "input"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"truncation": "auto"}, "truncation"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"reasoning": {"effort": "low"}}, "reasoning"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "x"}}, "tool_choice.name"),
        ({"odd": 1}, "odd"),
        ({"instructions": "hi<|end|>"}, "instructions"),
        (
            {
                "input": [
                    {"role": "user", "content": "a"},
                    {"role": "user", "content": "hi<|end|>"},
                ]
            },
            "input.1",
        ),
        ({"input": "a " * 9000}, "input"),
        ({"stream_options": {}}, "stream_options"),
        ({"model": "none"}, "model"),
    ],
)
def test_what_is_not_served_is_refused_by_name(
    asked: Served, options: dict[str, Any], param: str
) -> None:
    body = {"model": "tiny", "input": "Hi.", "max_output_tokens": 2, **options}
    headers = {"authorization": f"Bearer {asked.key}"}
    found = httpx.post(f"{asked.url}/responses", json=body, headers=headers)
    assert found.status_code in (400, 404), found.text
    assert found.json()["error"]["param"].startswith(param), found.text
