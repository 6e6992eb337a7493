"""BFCL's matching: hand-written cases of each rule, and the right answers of its own files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.errors import DataError
from assay.evaluate.items import Item
from assay.evaluate.scorers import build_scorer
from assay.evaluate.suites import Suite
from assay.evaluate.suites.public.load import PublicSource, load_public_suites
from assay.tools import ToolCall, read_tool_calls
from assay.tools.possible import find_possible_problem

PUBLIC = Path(__file__).parents[3] / "shared" / "data" / "bfcl_v4"
TRIP = {
    "name": "plan.trip",
    "parameters": {
        "type": "dict",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "budget": {"type": "float"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "sizes": {"type": "array", "items": {"type": "float"}},
            "hotel": {"type": "dict", "properties": {}},
            "stops": {"type": "array", "items": {"type": "dict"}},
            "who": {"type": "any"},
        },
        "required": ["city"],
    },
}


def is_right(arguments: dict[str, Any], possible: dict[str, Any], name: str = "plan.trip") -> bool:
    possible = {"city": ["Oslo"], **possible}
    call = ToolCall(name, {"city": "Oslo", **arguments})
    return not find_possible_problem([call], [{"plan.trip": possible}], [TRIP])


@pytest.mark.parametrize(
    ("arguments", "possible", "right"),
    [
        ({"city": "O-S. lo"}, {}, True),
        ({"city": "Bergen"}, {}, False),
        ({"city": "New York"}, {"city": ["Oslo", "new york"]}, True),
        ({"days": 3}, {"days": [3]}, True),
        ({"days": 3.0}, {"days": [3]}, False),
        ({"days": "3"}, {"days": [3]}, False),
        ({"days": True}, {"days": [1]}, False),
        ({}, {"days": [3]}, False),
        ({}, {"days": ["", 3]}, True),
        ({"days": "n"}, {"days": ["n"]}, True),
        ({"days": "N"}, {"days": ["n"]}, False),
        ({"budget": 5}, {"budget": [5.0]}, True),
        ({"budget": 5}, {"budget": [5]}, True),
        ({"tags": ["Sea-Side", "old town"]}, {"tags": [["seaside", "Old Town"]]}, True),
        ({"tags": ["old town", "seaside"]}, {"tags": [["seaside", "old town"]]}, False),
        ({"tags": [1]}, {"tags": [["a"]]}, False),
        ({"tags": []}, {"tags": ["", ["a"]]}, True),
        ({"sizes": [1, 2]}, {"sizes": [[1.0, 2.0]]}, False),
        ({"sizes": [1, 2]}, {"sizes": [[1, 2]]}, True),
        ({"hotel": {"name": "Fjord Inn"}}, {"hotel": [{"name": ["fjord inn"]}]}, True),
        ({"hotel": {"name": "Fjord Inn", "x": 1}}, {"hotel": [{"name": ["fjord inn"]}]}, False),
        ({"hotel": {}}, {"hotel": [{"name": ["a"]}]}, False),
        ({"hotel": {}}, {"hotel": [{"name": ["a", ""]}]}, True),
        ({"stops": [{"at": "Ås"}]}, {"stops": [[{"at": ["ås"]}]]}, True),
        ({"stops": []}, {"stops": [[{"at": ["ås"]}]]}, False),
        ({"who": 4}, {"who": [4]}, True),
        ({"extra": 1}, {}, False),
        ({"days": 3}, {}, False),
    ],
)
def test_each_rule_by_a_case_of_its_own(
    arguments: dict[str, Any], possible: dict[str, Any], right: bool
) -> None:
    assert is_right(arguments, possible) is right


def test_names_numbers_of_calls_and_required_arguments() -> None:
    oslo, bergen = (
        ToolCall("plan.trip", {"city": "Oslo"}),
        ToolCall("plan.trip", {"city": "Bergen"}),
    )
    possible = [{"plan.trip": {"city": ["Oslo"]}}, {"plan.trip": {"city": ["Bergen", "Oslo"]}}]
    assert find_possible_problem([oslo, bergen], possible, [TRIP]) == ""
    assert find_possible_problem([bergen, oslo], possible, [TRIP]) == ""
    assert "1 calls" in find_possible_problem([oslo], possible, [TRIP])
    assert "no call" in find_possible_problem([bergen, bergen], possible, [TRIP])
    assert "lacks city" in find_possible_problem([ToolCall("plan.trip", {})], possible[:1], [TRIP])
    assert not is_right({}, {}, name="plan_trip")


def score(output: str, expects: str, possible: list[Any]) -> Any:
    told = {"expects": expects, "possible": possible, "functions": [TRIP]}
    item = Item("a", [{"role": "user", "content": "x"}], metric="bfcl", options={"bfcl": told})
    return build_scorer("bfcl")(output, item)


def test_the_scorer_reads_calls_and_knows_abstention() -> None:
    call = '<tool_call>{"name": "plan.trip", "arguments": {"city": "Oslo"}}</tool_call>'
    right = [{"plan.trip": {"city": ["oslo"]}}]
    assert score(call, "calls", right).correct
    assert score("I will go to Oslo.", "calls", right).correct is False
    assert score("None of them fits.", "none", []).correct
    assert score(call, "none", []).correct is False
    assert (score(call, "any", []).correct, score("No.", "any", []).correct) == (True, False)
    assert build_scorer("bfcl")("x", Item("a", [], metric="bfcl")).value is None


def write_calls(item: Item) -> list[ToolCall]:
    assert isinstance(item.reference, dict)
    return read_tool_calls(item.reference).tool_calls


def spell(calls: Sequence[ToolCall]) -> str:
    values = [json.dumps({"name": one.name, "arguments": one.arguments}) for one in calls]
    return "".join(f"<tool_call>{value}</tool_call>" for value in values)


ROW = {
    "id": "parallel_7",
    "question": [[{"role": "user", "content": "Two trips, please."}]],
    "function": [TRIP],
    "ground_truth": [
        {"plan.trip": {"city": ["Oslo", "oslo city"], "days": ["", 3]}},
        {"plan.trip": {"city": ["Rome"], "hotel": [{"name": ["Sole"], "stars": ["", 4]}]}},
    ],
}


def load(folder: Path, *rows: dict[str, Any]) -> list[Suite]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load_public_suites(PublicSource(path="rows.jsonl"), base_dir=folder)


def test_a_row_becomes_an_item_with_schemas_and_one_right_answer(tmp_path: Path) -> None:
    none = {**ROW, "id": "irrelevance_2", "ground_truth": []}
    calls, irrelevance = load(tmp_path, ROW, none)
    assert [calls.name, irrelevance.name] == ["bfcl_calls", "bfcl_irrelevance"]
    assert (calls.kind, calls.metric, irrelevance.metric) == ("tools", "bfcl", "bfcl")
    (item,) = calls.items
    assert item.tools is not None
    properties = item.tools[0]["function"]["parameters"]["properties"]
    assert [properties[name].get("type") for name in ("hotel", "budget", "who")] == [
        *("object", "number", None)
    ]
    first, second = write_calls(item)
    assert (first.arguments, second.arguments) == (
        {"city": "Oslo"},
        {"city": "Rome", "hotel": {"name": "Sole"}},
    )
    right = spell([second, first])
    assert build_scorer("bfcl")(right, item).correct
    assert build_scorer("bfcl")(right, irrelevance.items[0]).correct is False


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"function": [{"name": "x"}]}, "function"),
        ({"ground_truth": ["x"]}, "ground_truth"),
        ({"ground_truth": [{"fly": {}}]}, "ground_truth"),
        ({"question": [[], []]}, "question"),
    ],
)
def test_rows_that_are_wrong_are_refused_by_column(
    tmp_path: Path, change: dict[str, Any], key: str
) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path, ROW, ROW | change)
    assert [(one.key, one.line) for one in caught.value.problems] == [(key, 2)]


@pytest.mark.skipif(
    not PUBLIC.is_dir(), reason="the public data sets are not beside the repository"
)
def test_the_right_answers_of_its_own_files_are_right_and_changed_ones_are_not() -> None:
    suites = load_public_suites(PublicSource(path="bfcl_v4"), base_dir=PUBLIC.parent)
    assert {one.name: len(one.items) for one in suites} == {
        "bfcl_calls": 925,
        "bfcl_irrelevance": 430,
    }
    refused = []
    judge = build_scorer("bfcl")
    for item in suites[0].items:
        gold = write_calls(item)
        odd = ToolCall(gold[0].name, {**gold[0].arguments, "no such argument": 1})
        if not judge(spell(gold), item).correct:
            refused.append(item.extra["row"])
        for wrong in (gold[:-1], [*gold, gold[0]], [odd, *gold[1:]]):
            assert judge(spell(wrong), item).correct is False, item.extra["row"]
    # Of this row's lists no value but "" is right, and the published checker refuses that as well.
    assert refused == ["live_simple_106-63-0"]
    for item in suites[1].items:
        assert judge("I cannot do that.", item).correct
