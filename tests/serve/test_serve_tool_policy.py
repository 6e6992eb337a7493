"""No part of a denied call goes on, however a stream is cut; what is allowed goes on as it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.serve.guarded import Guarded, read_asked
from assay.serve.spelled import Spelled
from assay.tools.policy import Decision, Policy, ToolRule

POLICY = Policy(
    tools={
        "look_up": ToolRule(
            parameters={
                "type": "object",
                "properties": {"id": {"type": "string", "maxLength": 9}},
                "additionalProperties": False,
            },
            max_per_turn=2,
            max_per_conversation=9,
        )
    },
    max_per_turn=3,
    max_per_conversation=9,
)
TOOLS = [{"type": "function", "function": {"name": n}} for n in ("look_up", "wire_money")]
ASKED = {"messages": [{"role": "user", "content": "Where is A1?"}], "tools": TOOLS}
ALLOWED = ("look_up", '{"id": "A1"}')
DENIED = ("wire_money", '{"to": "XK77-secret-payee", "sum": 4242}')
LONG = ("look_up", '{"id": "secret-payee-9999"}')


def guarded(policy: Policy = POLICY) -> tuple[Guarded, list[Decision]]:
    told: list[Decision] = []
    return Guarded(policy, ASKED, lambda choice, decision: told.append(decision)), told


def answer(content: str | None, calls: Sequence[tuple[str, str]], **more: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = [
            {"id": f"c{place}", "type": "function", "function": {"name": n, "arguments": a}}
            for place, (n, a) in enumerate(calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    return {"id": "x", "object": "chat.completion", "choices": [{**choice, **more}]}


def enforce(content: str | None, calls: Sequence[tuple[str, str]], **more: Any) -> dict[str, Any]:
    (choice,) = guarded()[0].enforce(answer(content, calls, **more))["choices"]
    assert isinstance(choice, dict)
    return choice


def test_an_allowed_call_goes_on_as_it_was() -> None:
    choice = enforce("Let me see.", [ALLOWED], logprobs={"content": []})
    before = answer("Let me see.", [ALLOWED], logprobs={"content": []})["choices"][0]
    assert choice == before


def test_a_denied_call_is_taken_out_and_told() -> None:
    choice = enforce("Let me see.", [DENIED], logprobs={"content": [{"token": "4242"}]})
    assert choice["finish_reason"] == "stop"
    assert "tool_calls" not in choice["message"]
    assert choice["message"]["content"] == "Let me see."
    assert choice["message"]["refusal"] == (
        "The tool policy blocked 1 call: a tool that the policy does not know (unknown_tool)."
    )
    assert choice["tool_policy"][0]["outcome"] == "block"
    assert not any(part in json.dumps(choice) for part in ("wire", "XK77", "payee", "4242"))


def test_of_several_calls_the_allowed_ones_go_on() -> None:
    choice = enforce(None, [DENIED, ALLOWED, LONG])
    assert [one["function"]["name"] for one in choice["message"]["tool_calls"]] == ["look_up"]
    assert choice["finish_reason"] == "tool_calls"
    assert len(choice["tool_policy"]) == 2
    assert "payee" not in json.dumps(choice)


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": [{"id": "a", "type": "function"}]},
        {"tool_calls": [{"function": {"name": "look_up", "arguments": '{"id": "A'}}]},
        {"tool_calls": ["wire_money"]},
        {"tool_calls": [{"type": "custom", "custom": {"name": "wire_money", "input": "4242"}}]},
        {"function_call": {"name": "wire_money", "arguments": '{"sum": 4242}'}},
        {"content": '<tool_call>{"name": "wire_money", "arguments": {"sum": 4242}}</tool_call>'},
        {"content": '[TOOL_CALLS][{"name": "wire_money", "arguments": {"sum": 4242}}]'},
        {"content": '{"name": "wire_money", "parameters": {"sum": 4242}}'},
        {"content": '<think>so</think>{"name": "wire_money", "parameters": {"sum": 4242}}'},
        {"content": [{"type": "text", "text": '<tool_call>{"name": "wire_money"}'}]},
        {"wires": [{"name": "wire_money"}]},
    ],
)
def test_a_call_in_whatever_form_is_judged(message: dict[str, Any]) -> None:
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    text = json.dumps(guarded()[0].enforce(whole))
    assert not any(part in text for part in ("wire_money", "4242", "TOOL_CALLS", '"A'))


def test_doubled_keys_mean_to_the_client_what_they_meant_to_the_policy() -> None:
    doubled = '{"id": "secret-payee-9999", "id": "A1"}'
    (call,) = enforce(None, [("look_up", doubled)])["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"id": "A1"}
    assert "payee" not in call["function"]["arguments"]


def test_each_choice_has_the_budget_for_itself_and_its_calls_count() -> None:
    three = answer(None, [ALLOWED, ALLOWED, ALLOWED])
    whole = {**three, "choices": [{**three["choices"][0], "index": n} for n in range(2)]}
    first, second = guarded()[0].enforce(whole)["choices"]
    assert len(first["message"]["tool_calls"]) == len(second["message"]["tool_calls"]) == 2


def stream(
    content: str, calls: Sequence[tuple[str, str]], cuts: Sequence[int]
) -> list[dict[str, Any]]:
    """Chunks of an answer whose text and calls are cut at `cuts`."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in _cut(content, cuts)]
    for index, (name, arguments) in enumerate(calls):
        head = {"index": index, "id": f"c{index}", "type": "function"}
        deltas.append({"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in _cut(arguments, cuts)
        ]
    reason = "tool_calls" if calls else "stop"
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": reason})
    head = {"id": "x", "object": "chat.completion.chunk", "model": "m"}
    return [{**head, "choices": [choice]} for choice in choices]


def _cut(text: str, cuts: Sequence[int]) -> list[str]:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    return [text[a:b] for a, b in pairwise(places)]


def collect(chunks: Sequence[dict[str, Any]]) -> tuple[str, list[Any], str | None, str]:
    """Text, calls, finish reason and refusal of a stream."""
    text, calls, reason, refusal = "", [], None, ""
    for chunk in chunks:
        for choice in chunk["choices"]:
            text += choice["delta"].get("content") or ""
            calls += choice["delta"].get("tool_calls") or []
            refusal += choice["delta"].get("refusal") or ""
            reason = choice["finish_reason"] or reason
    return text, calls, reason, refusal


@settings(max_examples=60)
@given(cuts=st.lists(st.integers(0, 90), max_size=12), order=st.permutations([0, 1, 2]))
def test_a_stream_says_what_the_whole_answer_says_however_it_is_cut(
    cuts: list[int], order: list[int]
) -> None:
    calls = [(ALLOWED, DENIED, LONG)[place] for place in order]
    text = "A <b>bold</b> [TOOL] answer { of <tool words."
    guard, told = guarded()
    out = [part for chunk in stream(text, calls, cuts) for part in guard.feed(chunk)]
    said, kept, reason, refusal = collect(out)
    whole = enforce(text, calls)
    assert said == whole["message"]["content"] == text
    assert [one["function"] for one in kept] == [
        one["function"] for one in whole["message"]["tool_calls"]
    ]
    assert [one["index"] for one in kept] == list(range(len(kept)))
    assert (reason, refusal) == (whole["finish_reason"], whole["message"]["refusal"])
    assert out[-1]["choices"][0]["tool_policy"] == whole["tool_policy"]
    assert len(told) == 2
    assert not any(part in json.dumps(out) for part in ("wire", "XK77", "payee", "4242"))


@settings(max_examples=60)
@given(cuts=st.lists(st.integers(0, 120), max_size=12), form=st.integers(0, 3))
def test_a_call_spelled_in_text_does_not_go_on_however_it_is_cut(
    cuts: list[int], form: int
) -> None:
    body = '{"name": "wire_money", "arguments": {"sum": 4242}}'
    spelled = (
        f"<tool_call>{body}</tool_call>",
        f"[TOOL_CALLS][{body}]",
        body,
        body,
    )[form]
    before = ("Certainly. ", "Certainly. ", "", "<think>Money?</think>")[form]
    guard, told = guarded()
    out = [part for chunk in stream(before + spelled, [], cuts) for part in guard.feed(chunk)]
    said, _, reason, refusal = collect(out)
    assert (said, reason) == (before, "stop")
    assert "blocked 1 call" in refusal
    assert len(told) == 1
    assert not any(part in json.dumps(out) for part in ("wire_m", "4242", "sum"))


@settings(max_examples=60)
@given(
    text=st.text(alphabet='<tool_ca>[TOLCS]|{"name:type} python\n', max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=8),
)
def test_text_is_held_back_and_not_lost(text: str, cuts: list[int]) -> None:
    spelled = Spelled()
    said = "".join(spelled.feed(piece) for piece in _cut(text, cuts)) + spelled.finish().text
    assert said == text


def test_plain_text_goes_on_at_once() -> None:
    spelled = Spelled()
    assert [spelled.feed(piece) for piece in ("The ", "parcel <", "b> is", " here")] == [
        "The ",
        "parcel ",
        "<b> is",
        " here",
    ]


def test_json_that_is_no_call_goes_on() -> None:
    text = '{"name": "Ann", "age": 31}'
    guard, told = guarded()
    out = [part for chunk in stream(text, [], [5, 9]) for part in guard.feed(chunk)]
    assert collect(out)[:1] == (text,)
    assert told == []


def test_what_is_cut_off_is_not_released() -> None:
    guard, _ = guarded()
    chunks = stream("Hm.", [ALLOWED], [4])[:-1]
    out = [part for chunk in chunks for part in guard.feed(chunk)]
    assert collect(out)[1] == []


def test_usage_comes_once_and_after_the_end_nothing_does() -> None:
    guard, _ = guarded()
    *first, last = stream("Hm.", [ALLOWED], [])
    late = {"id": "x", "choices": [{"index": 0, "delta": {"content": "wire"}}]}
    usage = {"id": "x", "choices": [], "usage": {"total_tokens": 3}}
    out = [part for one in [*first, last, late, usage] for part in guard.feed(one)]
    assert out[-1] == usage
    assert "wire" not in json.dumps(out)


def test_log_probabilities_of_what_is_held_back_are_held_back() -> None:
    guard, _ = guarded()
    told = {"content": [{"token": "4242"}]}
    for delta in ({"content": "<tool_call>4242"}, {"tool_calls": [{"index": 0, "id": "c"}]}):
        chunk = {"choices": [{"index": 0, "delta": delta, "logprobs": told}]}
        assert "4242" not in json.dumps(guard.feed(chunk))


def test_a_request_that_cannot_be_judged_is_refused() -> None:
    for body in (b"{", b"[]", b'{"messages": "hi"}', b'{"messages": [], "tools": {}}'):
        with pytest.raises(Exception, match=r"must be|not JSON"):
            read_asked(body)
