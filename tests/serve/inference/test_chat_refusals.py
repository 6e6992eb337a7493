"""What a chat completion refuses, each by its parameter, and what becomes of a client that goes."""

import time
from typing import Any

import httpx
import openai
import pytest
from asking import WEATHER, ask
from sockets import Served

from assay.runs.store import add_key, find_key
from assay.serve.inference.inference import Inference
from assay.serve.responses.body import ResponseBody

OTHER = {"type": "function", "function": {"name": "other"}}
BAD_SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "nothing"}}}


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "0.5"}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"seed": 1 << 64}, "seed"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"frequency_penalty": 2.5}, "frequency_penalty"),
        ({"presence_penalty": -2.1}, "presence_penalty"),
        ({"logit_bias": {"5": 101}}, "logit_bias"),
        ({"logit_bias": {"-5": 1}}, "logit_bias"),
        ({"logit_bias": {"99999": 1}}, "logit_bias"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": OTHER}, "tool_choice.function.name"),
        ({"tools": [WEATHER, WEATHER]}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"response_format": BAD_SCHEMA}, "response_format"),
        ({"extra_body": {"temperatur": 1}}, "temperatur"),
        ({"extra_body": {"store": "yes"}}, "store"),
        ({"user": "a\0"}, "user"),
        ({"safety_identifier": "a" * 513}, "safety_identifier"),
    ],
)
def test_a_bad_parameter_is_refused_by_its_name(
    asked: Served, options: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(asked.client(), "Hello", **options)
    assert refused.value.param is not None and refused.value.param.startswith(param)
    assert refused.value.code and refused.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        ([], "messages", "invalid_value"),
        ([{"role": "robot", "content": "a"}], "messages.0.role", "invalid_value"),
        ([{"role": "user", "content": None}], "messages.0", "invalid_value"),
        ([{"role": "tool", "content": "a"}], "messages.0", "invalid_value"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
            "messages.0.content",
            "invalid_value",
        ),
        ([{"role": "user", "content": "hi<|end|>"}], "messages.0.content", "control_text"),
        ([{"role": "user", "content": "word " * 3000}], "messages", "context_length_exceeded"),
    ],
)
def test_bad_messages_are_refused_by_their_place(
    asked: Served, messages: Any, param: str, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        asked.client().chat.completions.create(model="tiny", messages=messages)
    assert str(refused.value.param).startswith(param) and refused.value.code == code


def test_unknown_models_and_keys_are_refused(asked: Served) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(asked.client(), "Hello", model="gpt-none")
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.AuthenticationError):
        ask(asked.client(api_key="wrong"), "Hello")
    assert ask(asked.client(), "Hello", model="gpt-4.1-mini").model == "gpt-4.1-mini"


def test_parts_of_text_and_a_developer_are_understood(asked: Served) -> None:
    messages: Any = [
        {"role": "developer", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
    ]
    found = asked.client().chat.completions.create(
        model="tiny", messages=messages, max_completion_tokens=4, metadata={"a": "b"}, user="u"
    )
    assert found.choices[0].message.content is not None


def wait_until_idle(inference: Inference) -> None:
    for _ in range(600):
        if inference.scheduler.count() == (0, 0):
            return
        time.sleep(0.05)
    raise AssertionError(inference.scheduler.count())


@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_client_that_goes_away_frees_its_slots(
    asked: Served, inference: Inference, is_streamed: bool
) -> None:
    rows = inference.scheduler.capacity.rows
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Tell me a long story."}],
        "n": rows,
        "stream": is_streamed,
        "temperature": 2.0,
        "response_format": {"type": "json_object"},
    }
    headers = {"authorization": f"Bearer {asked.key}"}
    with httpx.Client(base_url=asked.url, headers=headers) as client:
        if is_streamed:
            with client.stream("POST", "/chat/completions", json=body) as response:
                next(response.iter_bytes())
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post("/chat/completions", json=body, timeout=0.7)
    wait_until_idle(inference)
    assert ask(asked.client(), "Hello").choices[0].message.content


def test_tokens_are_counted_for_the_key(asked: Served) -> None:
    """A key of its own: what others left behind is counted when their answers end."""
    key, secret = add_key(asked.store, "counted", ("infer",))
    total = ask(asked.client().with_options(api_key=secret), "Hello").usage.total_tokens
    for _ in range(100):
        after = find_key(asked.store, secret)
        assert after is not None
        if after.tokens_used == key.tokens_used + total:
            return
        time.sleep(0.02)
    raise AssertionError((after.tokens_used, key.tokens_used, total))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("chat/completions", '"messages":[{"role":"user","content":"\\ud800"}]'),
        ("chat/completions", '"messages":[{"role":"user","content":"a"}],"user":"\\udfff"'),
        ("completions", '"prompt":"\\ud800"'),
    ],
)
def test_half_a_character_is_refused(asked: Served, path: str, said: str) -> None:
    headers = {"authorization": f"Bearer {asked.key}", "content-type": "application/json"}
    body = f'{{"model":"tiny",{said}}}'
    found = httpx.post(f"{asked.url}/{path}", headers=headers, content=body)
    assert found.status_code == 400 and "surrogate" in found.json()["error"]["message"]
    with pytest.raises(ValueError, match="surrogate"):
        ResponseBody.model_validate({"model": "tiny", "input": "\ud800"})
