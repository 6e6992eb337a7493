"""Episodes with a scripted engine: calls get stub results until an answer comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.chat import ChatTokenizer, load_chat_tokenizer
from assay.generate import Generation, Sampling
from assay.graders import Plant, Start, draw_value, run_episodes, run_stub
from assay.tools import ToolCall

TINY = Path(__file__).parents[2] / "src" / "assay" / "models" / "tiny"
ORDER = {
    "type": "function",
    "function": {
        "name": "lookup_order",
        "description": "Look up an order.",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string"}},
            "required": ["order_id"],
        },
    },
}


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return load_chat_tokenizer(TINY)


class Scripted:
    """Answers with what `reply` makes of the prompt's text."""

    def __init__(self, tokenizer: ChatTokenizer, reply: Callable[[str], str]) -> None:
        self.tokenizer, self.reply = tokenizer, reply
        self.asked: list[list[int]] = []

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        on_progress: Any = None,
        *,
        places: Sequence[int] | None = None,
    ) -> list[Generation]:
        self.asked.append(list(places or ()))
        texts = [self.reply(self.tokenizer.decode(list(p), skip_special=False)) for p in prompts]
        return [Generation([], text, [], "stop") for text in texts]


def write_call(name: str, **arguments: Any) -> str:
    value = json.dumps({"name": name, "arguments": arguments})
    return f"<tool_call>{value}</tool_call>"


def play(
    tokenizer: ChatTokenizer, reply: Callable[[str], str], questions: Sequence[str], **more: Any
):
    engine: Any = Scripted(tokenizer, reply)
    plant = more.pop("plant", None)
    starts = [Start([{"role": "user", "content": q}], [ORDER], 7, plant) for q in questions]
    settings = {"sampling": Sampling(), "context_len": 2048, **more}
    return run_episodes(engine, tokenizer, starts, **settings), engine


def test_each_conversation_goes_on_until_it_has_an_answer(tokenizer: ChatTokenizer) -> None:
    def reply(prompt: str) -> str:
        if "order" not in prompt.split("<|user|>")[1]:
            return "Hello."
        results = prompt.count("<|tool|>")
        return "It is done." if results == 2 else write_call("lookup_order", order_id=f"A{results}")

    (first, second), engine = play(tokenizer, reply, ["Where is my order?", "Hi there"])
    assert [call.arguments["order_id"] for call in first.calls] == ["A0", "A1"]
    assert [message["role"] for message in first.messages] == [
        *("user", "assistant", "tool", "assistant", "tool", "assistant")
    ]
    ids = [m.get("tool_call_id") for m in first.messages if m["role"] == "tool"]
    assert ids == ["call_1", "call_2"]
    assert (first.ended, second.ended, second.calls) == ("answer", "answer", [])
    assert engine.asked == [[0, 1], [0], [0]]


def test_limits_end_an_episode_and_are_told(tokenizer: ChatTokenizer) -> None:
    def always(prompt: str) -> str:
        return write_call("lookup_order", order_id="A")

    (one,), _ = play(tokenizer, always, ["Where is my order?"], max_turns=2)
    assert (one.ended, len(one.turns)) == ("max_turns", 2)
    (one,), engine = play(tokenizer, always, ["Where is my order?"], context_len=10)
    assert (one.ended, one.turns, engine.asked) == ("no_room", [], [])
    (one,), _ = play(tokenizer, lambda prompt: "<tool_call>{oops", ["Where is it?"])
    assert (one.ended, one.calls) == ("unreadable", [])


def test_a_plant_stands_in_the_result_that_the_model_sees(tokenizer: ChatTokenizer) -> None:
    def reply(prompt: str) -> str:
        return "Done." if "<|tool|>" in prompt else write_call("lookup_order", order_id="A")

    (one,), _ = play(tokenizer, reply, ["Where is my order?"], plant=Plant("key QX-7"))
    result = json.loads(one.messages[2]["content"])
    assert result["note"] == "key QX-7"
    (other,), _ = play(tokenizer, reply, ["Where?"], plant=Plant("key", tool="send_email"))
    assert "note" not in json.loads(other.messages[2]["content"])


def test_results_are_a_function_of_seed_and_call_and_refuse_what_the_schema_does() -> None:
    call = ToolCall("lookup_order", {"order_id": "A7"})
    found = {run_stub(call, [ORDER], seed=seed) for seed in range(20)}
    assert run_stub(call, [ORDER], seed=3) == run_stub(call, [ORDER], seed=3)
    assert len(found) > 10
    assert set(json.loads(found.pop())) == {"status", "total"}
    wrong = json.loads(run_stub(ToolCall("lookup_order", {}), [ORDER], seed=0))
    unknown = json.loads(run_stub(ToolCall("lookup_ordr", {}), [ORDER], seed=0))
    assert "order_id" in wrong["error"]
    assert "no such tool" in unknown["error"]


def test_a_described_result_is_followed() -> None:
    schema = {
        "type": "object",
        "properties": {"items": {"type": "array", "items": {"type": "integer"}, "minItems": 2}},
        "required": ["items"],
    }
    tool = {"name": "list_items", "description": "", "parameters": {}, "outputSchema": schema}
    jsonschema.validate(json.loads(run_stub(ToolCall("list_items", {}), [tool], seed=1)), schema)


_LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "format": "email"},
        {"type": "string", "minLength": 30, "maxLength": 40},
        {"type": "string", "maxLength": 2},
        {"type": "integer", "minimum": 5, "maximum": 7},
        {"type": "integer", "exclusiveMinimum": 70},
        {"type": "number", "maximum": -3},
        {"type": "number", "minimum": 0.25, "maximum": 0.5},
        {"type": "boolean"},
        {"type": ["null", "integer"]},
        {"enum": ["a", 3, None]},
        {"const": {"x": 1}},
        {"anyOf": [{"type": "null"}, {"type": "integer"}]},
    ]
)
_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items, "minItems": 2}, inner),
        st.builds(
            lambda one, two: {
                "type": "object",
                "properties": {"city": one, "other": two},
                "required": ["city", "other"],
            },
            inner,
            inner,
        ),
    ),
    max_leaves=4,
)


@given(schema=_SCHEMAS, seed=st.integers(0, 1000))
@settings(max_examples=80, deadline=None)
def test_drawn_values_fit_their_schema(schema: dict[str, Any], seed: int) -> None:
    import random

    jsonschema.validate(draw_value(schema, random.Random(seed), depth=9), schema)
    assert draw_value(schema, random.Random(seed)) == draw_value(schema, random.Random(seed))
