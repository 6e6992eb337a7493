"""Chat completions by the official client over a socket: equal to offline, whole and streamed."""

import json
from typing import Any

import openai
import pytest
from asking import TIMER, WEATHER, ask
from sockets import Served

from assay.chat import render_prompt
from assay.generate import Sampling
from assay.generate.engine import Generation
from assay.generate.local import LocalEngine

QUESTION = "What is the capital of France?"


def answer_offline(
    engine: LocalEngine, text: str, sampling: Sampling, num: int = 1
) -> list[Generation]:
    prompt = render_prompt(engine.tokenizer, [{"role": "user", "content": text}])
    return engine.generate([prompt] * num, sampling)


def test_a_greedy_answer_is_the_offline_one(
    openai_client: openai.OpenAI, tiny_engine: LocalEngine
) -> None:
    found = ask(openai_client, QUESTION)
    (expected,) = answer_offline(tiny_engine, QUESTION, Sampling(max_new_tokens=24))
    choice = found.choices[0]
    assert choice.message.content == expected.text
    assert choice.finish_reason == expected.finish_reason
    assert found.usage.completion_tokens == len(expected.token_ids)
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens
    assert found.model == "tiny" and found.object == "chat.completion"
    assert found.id.startswith("chatcmpl-") and found.system_fingerprint.startswith("fp_")


def test_choices_by_seed_are_the_offline_ones(
    openai_client: openai.OpenAI, tiny_engine: LocalEngine
) -> None:
    options = {"temperature": 0.9, "top_p": 0.8, "seed": 11, "n": 3}
    found = ask(openai_client, QUESTION, **options)
    sampling = Sampling(max_new_tokens=24, temperature=0.9, top_p=0.8, seed=11)
    expected = answer_offline(tiny_engine, QUESTION, sampling, num=3)
    assert [c.message.content for c in found.choices] == [one.text for one in expected]
    assert [c.index for c in found.choices] == [0, 1, 2]
    assert found.usage.completion_tokens == sum(len(one.token_ids) for one in expected)


def test_a_stream_is_the_answer_in_pieces(openai_client: openai.OpenAI) -> None:
    options: dict[str, Any] = {"temperature": 1.1, "seed": 3, "n": 2}
    whole = ask(openai_client, QUESTION, **options)
    stream = ask(
        openai_client, QUESTION, stream=True, stream_options={"include_usage": True}, **options
    )
    chunks = list(stream)
    texts, ends = {0: "", 1: ""}, {}
    for chunk in chunks[:-1]:
        assert chunk.object == "chat.completion.chunk" and chunk.id == chunks[0].id
        assert chunk.usage is None
        (choice,) = chunk.choices
        texts[choice.index] += choice.delta.content or ""
        if choice.finish_reason:
            ends[choice.index] = choice.finish_reason
            assert choice.delta.content is None and choice.delta.role is None
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [texts[0], texts[1]] == [c.message.content for c in whole.choices]
    assert [ends[0], ends[1]] == [c.finish_reason for c in whole.choices]
    assert chunks[-1].choices == [] and chunks[-1].usage == whole.usage
    assert len(chunks) > 8


def test_logprobs_are_of_the_text_whole_and_in_pieces(
    openai_client: openai.OpenAI, tiny_engine: LocalEngine
) -> None:
    options = {"logprobs": True, "top_logprobs": 3, "temperature": 0.7, "seed": 5}
    found = ask(openai_client, QUESTION, **options).choices[0]
    entries = found.logprobs.content
    sampling = Sampling(max_new_tokens=24, temperature=0.7, seed=5)
    (expected,) = answer_offline(tiny_engine, QUESTION, sampling)
    assert [e.logprob for e in entries] == pytest.approx(expected.logprobs, abs=2e-3)
    spelt = b"".join(bytes(e.bytes) for e in entries)
    assert spelt.decode() == found.message.content
    assert all(len(e.top_logprobs) == 3 for e in entries)
    assert all(e.top_logprobs[0].logprob >= e.logprob - 1e-4 for e in entries)
    chunks = list(ask(openai_client, QUESTION, stream=True, **options))
    told = [e for c in chunks if c.choices[0].logprobs for e in c.choices[0].logprobs.content or ()]
    assert [e.token for e in told] == [e.token for e in entries]
    bare = ask(openai_client, QUESTION, logprobs=True).choices[0].logprobs.content
    assert bare and all(e.top_logprobs == [] for e in bare)


def test_logprobs_stop_where_a_stop_string_cuts(openai_client: openai.OpenAI) -> None:
    free = ask(openai_client, QUESTION).choices[0].message.content
    found = ask(openai_client, QUESTION, stop=free[9:12], logprobs=True).choices[0]
    spelt = b"".join(bytes(e.bytes) for e in found.logprobs.content).decode()
    assert spelt.startswith(found.message.content) and not spelt.startswith(free)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": None}}])
@pytest.mark.parametrize("tool", [WEATHER, TIMER], ids=["weather", "timer"])
def test_a_forced_call_keeps_to_its_schema(
    asked: Served, choice: Any, tool: dict[str, Any]
) -> None:
    client = asked.client(_strict_response_validation=True)
    name = tool["function"]["name"]
    tools = [WEATHER, TIMER]
    if choice == "required":
        tools = [tool]
    else:
        choice = {"type": "function", "function": {"name": name}}
    found = ask(
        client,
        "Tell me a joke.",
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=False,
        max_completion_tokens=80,
    ).choices[0]
    assert found.finish_reason == "tool_calls" and found.message.content is None
    (call,) = found.message.tool_calls
    assert call.function.name == name and call.id.startswith("call_") and call.type == "function"
    arguments = json.loads(call.function.arguments)
    assert list(arguments) == list(tool["function"]["parameters"]["properties"])


def test_tools_are_called_by_choice_or_not_at_all(openai_client: openai.OpenAI) -> None:
    text = "What is the weather in Oslo?"
    called = ask(openai_client, text, tools=[WEATHER], max_completion_tokens=64).choices[0]
    assert called.finish_reason == "tool_calls"
    assert called.message.tool_calls[0].function.name == "get_weather"
    assert json.loads(called.message.tool_calls[0].function.arguments)["city"]
    refused = ask(openai_client, text, tools=[WEATHER], tool_choice="none")
    plain = ask(openai_client, text)
    assert refused.choices[0].message.tool_calls is None
    assert refused.choices[0].message.content == plain.choices[0].message.content


def test_any_object_and_a_schema_with_a_closed_list_are_kept(
    openai_client: openai.OpenAI,
) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}
    schema["additionalProperties"] = False
    form = {"type": "json_schema", "json_schema": {"name": "one", "schema": schema}}
    found = ask(openai_client, "Choose.", response_format=form, max_completion_tokens=40)
    assert json.loads(found.choices[0].message.content)["a"] in ("x", "y")
    some = ask(openai_client, "Say it.", response_format={"type": "json_object"})
    assert some.choices[0].message.content.lstrip().startswith("{")


def test_biases_and_penalties_change_what_is_drawn(
    openai_client: openai.OpenAI, tiny_engine: LocalEngine
) -> None:
    token_id = tiny_engine.tokenizer.encode("on the")[-1]
    word = tiny_engine.tokenizer.decode([token_id])
    options: dict[str, Any] = {"max_completion_tokens": 6, "logit_bias": {str(token_id): 100}}
    forced = ask(openai_client, QUESTION, **options).choices[0].message.content
    assert forced == word * 6
    freed = ask(openai_client, QUESTION, presence_penalty=2, frequency_penalty=2, **options)
    assert freed.choices[0].message.content == forced  # 12 + 2 is still below 100
    plain = ask(openai_client, QUESTION, max_completion_tokens=24)
    tokens = tiny_engine.tokenizer.encode(plain.choices[0].message.content)
    none = ask(openai_client, QUESTION, logit_bias={str(tokens[0]): -100})
    assert not none.choices[0].message.content.startswith(tiny_engine.tokenizer.decode([tokens[0]]))
    text = openai_client.completions.create(
        model="tiny", prompt="The", max_tokens=3, logit_bias={str(token_id): 100}
    )
    assert text.choices[0].text == word * 3
