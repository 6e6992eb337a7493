"""The tool tasks: well-formed in every split, their gold answers right, their hold-outs held."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, get_args

import pytest

from assay.lab.world import values as world
from assay.lab.world.base import Split, Task
from assay.lab.world.tool_requests import FULL, SHORT
from assay.lab.world.tool_results import NO_TOOL_ANSWERS, SMALL_TALK
from assay.lab.world.tool_schemas import TOOLS, draw_invented, parse_param
from assay.lab.world.tool_tasks import FAMILIES, document, several_requests

SPLITS: tuple[Split, ...] = get_args(Split)
CASES = [(name, split) for name in FAMILIES for split in SPLITS]
ABSTAINING = {"call_ask_missing", "no_tool_fits", "tool_injection_ignored"}
JSON_TYPES = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}


def _tasks(name: str, split: Split, *, num: int = 150, seed: int = 3) -> list[Task]:
    rng = random.Random(seed)
    return [FAMILIES[name](rng, split) for _ in range(num)]


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": c["function"]["name"], "arguments": json.loads(c["function"]["arguments"])}
        for c in message.get("tool_calls", [])
    ]


def _assert_call_fits(call: dict[str, Any], tools: list[dict[str, Any]]) -> None:
    schemas = [t["function"] for t in tools if t["function"]["name"] == call["name"]]
    assert len(schemas) == 1
    parameters = schemas[0]["parameters"]
    properties = list(parameters["properties"])
    args = call["arguments"]
    assert set(parameters["required"]) <= set(args) <= set(properties)
    assert [key for key in properties if key in args] == list(args)
    for key, value in args.items():
        rule = parameters["properties"][key]
        assert isinstance(value, JSON_TYPES[rule["type"]])
        assert isinstance(value, bool) == (rule["type"] == "boolean")
        assert value in rule.get("enum", [value])


@pytest.mark.parametrize(("name", "split"), CASES)
def test_gold_answer_passes_its_own_check(name: str, split: Split) -> None:
    for task in _tasks(name, split):
        gold = task.messages[-1]
        calls = _calls(gold)
        assert task.family == name
        assert task.group == ("abstain" if name in ABSTAINING else "tool")
        assert task.tools is not None and 1 <= len(task.tools) <= 5
        match task.check["kind"]:
            case "tool_call":
                assert calls == [{key: task.check[key] for key in ("name", "arguments")}]
            case "tool_calls":
                assert calls == task.check["calls"] and len(calls) == 2
            case "exact":
                assert calls == [] and gold["content"] == task.check["answer"]
            case "no_tool_call":
                assert calls == [] and gold["content"]
                assert task.check.get("answer", gold["content"]) == gold["content"]
            case kind:
                pytest.fail(f"unknown check {kind}")


@pytest.mark.parametrize(("name", "split"), CASES)
def test_messages_and_calls_are_well_formed(name: str, split: Split) -> None:
    for task in _tasks(name, split):
        assert task.tools is not None
        assert task.messages[0]["role"] == "user" and task.messages[-1]["role"] == "assistant"
        assert not re.search(r"[{}]", task.messages[0]["content"])
        ids = []
        for message in task.messages:
            if message["role"] == "tool":
                assert message["tool_call_id"] in ids
                json.loads(message["content"])
            for call in message.get("tool_calls", []):
                ids.append(call["id"])
            for call in _calls(message):
                _assert_call_fits(call, task.tools)
        assert ids == [f"call_{i + 1}" for i in range(len(ids))]


@pytest.mark.parametrize("name", ["call_single", "call_typed", "call_synthetic"])
def test_string_arguments_are_copied_from_the_request(name: str) -> None:
    for task in _tasks(name, "train", num=400):
        text = task.messages[0]["content"]
        for value in task.check["arguments"].values():
            assert not isinstance(value, str) or value in text


def test_second_call_uses_a_value_of_the_first_result() -> None:
    for task in _tasks("call_two_steps", "train", num=300):
        question, _, result, _ = (message["content"] for message in task.messages)
        arguments = task.check["arguments"].values()
        from_result = [value for value in arguments if value in json.loads(result).values()]
        assert len(from_result) == 1
        assert all(value in question for value in arguments if value not in from_result)


def test_answers_copy_values_of_the_result() -> None:
    for task in _tasks("call_then_answer", "train", num=300):
        result = json.loads(task.messages[2]["content"])
        result.pop("note", None)
        answer = task.messages[-1]["content"]
        assert any(str(value) in answer for value in result.values())


def test_no_offered_tool_is_the_one_asked_for_when_none_fits() -> None:
    for task in _tasks("no_tool_fits", "train", num=400):
        question = task.messages[0]["content"]
        names = {tool["function"]["name"] for tool in task.tools or []}
        for tool in TOOLS.values():
            if tool.name.startswith("convert_"):
                continue  # these two share wordings and differ in the units only
            wordings = [re.escape(w) for w in (*SHORT[tool.name].seen, *SHORT[tool.name].unseen)]
            patterns = [re.sub(r"\\\{\w+\\\}", r"[\\w.@/:-]+", w) for w in wordings]
            if any(re.fullmatch(pattern, question) for pattern in patterns):
                asked_for = {tool.name, *tool.aliases}
                assert not names & asked_for


def test_a_tool_that_is_nearly_the_one_asked_for_is_offered_in_training_alone() -> None:
    """It shares the verb or the noun of an invented tool, which the request names both."""

    def share_of_near(split: Split) -> float:
        near = 0
        tasks = _tasks("no_tool_fits", split, num=600)
        for task in tasks:
            words = set(re.findall("[a-z]+", task.messages[0]["content"].lower()))
            offered = [tool["function"]["name"].split("_") for tool in task.tools or []]
            near += any(len(name) == 2 and len(words & {*name}) == 1 for name in offered)
        return near / len(tasks)

    assert share_of_near("train") > share_of_near("instances") + 0.05


def test_several_requests_are_each_called_or_turned_down() -> None:
    rng = random.Random(5)
    turned_down = {*NO_TOOL_ANSWERS, *(answer for _, answer in SMALL_TALK.seen)}
    num_called = num_turned_down = 0
    for _ in range(300):
        messages, tools = several_requests(rng)
        ids = [c["id"] for m in messages for c in m.get("tool_calls", ())]
        assert ids == [m["tool_call_id"] for m in messages if m["role"] == "tool"]
        assert ids == [f"call_{n}" for n in range(1, len(ids) + 1)]
        for asked, answer in pairwise(messages):
            if answer.get("tool_calls"):
                num_called += 1
                (call,) = _calls(answer)
                _assert_call_fits(call, tools)
                assert asked["role"] == "user"
            elif asked["role"] == "user":
                num_turned_down += 1
                assert answer["content"] in turned_down
    assert num_called > 450 and num_turned_down > 250


def test_injected_tool_is_offered_and_the_order_is_in_the_result() -> None:
    lengths = {len(task.tools or []) for task in _tasks("tool_injection_ignored", "train")}
    assert min(lengths) >= 1 and max(lengths) >= 3
    for task in _tasks("tool_injection_ignored", "train"):
        keys = set(json.loads(task.messages[2]["content"]))
        assert keys & {"note", "comment", "message", "info"}


def _share_with(tasks: list[Task], is_so: Callable[[Any], bool]) -> float:
    """The share of tasks that offer a tool of which `is_so` holds."""
    offered = [[tool["function"] for tool in task.tools or []] for task in tasks]
    return sum(any(map(is_so, tools)) for tools in offered) / len(tasks)


def test_some_tools_are_invented_and_in_training_some_are_renamed() -> None:
    known = {tool.description for tool in TOOLS.values()}
    names = {name for tool in TOOLS.values() for name in (tool.name, *tool.aliases)}
    for split, renamed_share in (("train", 0.2), ("instances", 0.0)):
        tasks = [task for name in FAMILIES for task in _tasks(name, split, num=200)]
        invented = _share_with(tasks, lambda tool: tool["description"] not in known)
        assert 0.3 < invented < 0.5
        renamed = _share_with(
            tasks, lambda tool: tool["description"] in known and tool["name"] not in names
        )
        assert renamed >= renamed_share if renamed_share else renamed == 0


def test_training_never_meets_held_out_values_or_wordings() -> None:
    held_out_names = {*world.FIRST_NAMES.unseen, *world.CITIES.unseen}
    held_out_words = {*world.PRODUCTS.unseen, *world.COLOURS.unseen}
    unseen = [w for pools in (SHORT, FULL) for pool in pools.values() for w in pool.unseen]
    plain = [re.escape(w) for w in unseen if w.count("{")]
    pattern = re.compile("|".join(re.sub(r"\\\{\w+\\\}", ".+", w) for w in plain))
    seen_pattern = [
        re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(w)))
        for pools in (SHORT, FULL)
        for pool in pools.values()
        for w in pool.seen
    ]
    for name in FAMILIES:
        for task in _tasks(name, "train", num=300):
            dumped = json.dumps([task.messages, task.tools])
            words = set(re.findall(r"[A-Za-z]+", dumped))
            assert not words & held_out_names
            assert not {word.lower() for word in words} & held_out_words
            question = task.messages[0]["content"]
            if name in ("call_single", "call_choose", "call_typed") and pattern.fullmatch(question):
                assert any(each.fullmatch(question) for each in seen_pattern)


def test_measured_splits_meet_what_was_held_out() -> None:
    held_out = {*world.FIRST_NAMES.unseen, *world.CITIES.unseen, *world.PRODUCTS.unseen}
    met = set()
    for task in _tasks("call_single", "values", num=600):
        met |= {v for v in task.check["arguments"].values() if v in held_out}
    assert len(met) > 15


def test_same_seed_gives_the_same_tasks_and_documents() -> None:
    for name in FAMILIES:
        assert _tasks(name, "train", num=20) == _tasks(name, "train", num=20)
    assert document(random.Random(5)) == document(random.Random(5))


def test_documents_have_60_to_200_words() -> None:
    rng = random.Random(0)
    lengths = [len(document(rng).split()) for _ in range(500)]
    assert min(lengths) >= 60 and max(lengths) <= 200


def test_fixed_tools_are_small_and_differently_named() -> None:
    names = [name for tool in TOOLS.values() for name in (tool.name, *tool.aliases)]
    assert len(TOOLS) >= 20 and len(names) == len(set(names))
    assert all(len(tool.description.split()) <= 8 for tool in TOOLS.values())
    assert all(1 <= len(tool.params) <= 4 for tool in TOOLS.values())
    assert set(SHORT) == set(TOOLS)


def test_no_wording_holds_a_word_that_is_held_out_elsewhere() -> None:
    held_out = {word.lower() for pool in world.ALL_POOLS for word in pool.unseen}
    for pools in (SHORT, FULL):
        for pool in pools.values():
            for wording in (*pool.seen, *pool.unseen):
                words = re.findall("[a-z]+", re.sub(r"\{\w+\}", "", wording.lower()))
                assert not held_out & set(words)


def test_notation_of_parameters() -> None:
    assert parse_param("unit?:celsius|fahrenheit").schema() == {
        "type": "string",
        "enum": ["celsius", "fahrenheit"],
    }
    people = parse_param("people:2..12")
    assert (people.type, people.low, people.high, people.required) == ("integer", 2, 12, True)
    assert parse_param("gift?:flag").type == "boolean"
    assert parse_param("degrees:degrees").type == "number"


def test_invented_tool_is_named_by_its_words() -> None:
    tool = draw_invented(random.Random(1), "train", verb="pack", noun="crate", required=True)
    assert tool.spec.name == "pack_crate"
    assert tool.schema["function"]["description"] == "Pack the crate."
    assert len(tool.schema["function"]["parameters"]["required"]) == len(tool.spec.params)
