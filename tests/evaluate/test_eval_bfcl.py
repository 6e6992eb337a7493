"""BFCL's matching: hand-written cases of each rule, and the right answers of its own files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.evaluate.items import Item
from assay.evaluate.scorers import build_scorer
from assay.tools import ToolCall
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


def read_rows() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(PUBLIC.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            yield path.stem, json.loads(line)


def choose(value: Any) -> Any:
    if isinstance(value, list):
        return [choose(one) for one in value]
    if isinstance(value, dict) and value and all(isinstance(v, list) for v in value.values()):
        return {key: choose(next((v for v in own if v != ""), "")) for key, own in value.items()}
    return value


def write_gold(row: dict[str, Any]) -> list[ToolCall]:
    """The calls with the first right value of every argument, what may be left out left out."""
    calls = []
    for one in row["ground_truth"]:
        ((name, possible),) = one.items()
        function = next(f for f in row["function"] if f["name"] == name)
        required = function["parameters"].get("required", [])
        given = {
            key: choose(next((v for v in values if v != ""), ""))
            for key, values in possible.items()
            if "" not in values or key in required
        }
        calls.append(ToolCall(name, given))
    return calls


@pytest.mark.skipif(
    not PUBLIC.is_dir(), reason="the public data sets are not beside the repository"
)
def test_the_right_answers_of_its_own_files_are_right_and_changed_ones_are_not() -> None:
    refused, num = [], 0
    for name, row in read_rows():
        if not row["ground_truth"]:
            continue
        num += 1
        gold, more = write_gold(row), (row["ground_truth"], row["function"])
        if find_possible_problem(gold, *more):
            refused.append(row["id"])
        assert find_possible_problem(gold[:-1], *more), name
        assert find_possible_problem([*gold, gold[0]], *more), name
        odd = ToolCall(gold[0].name, {**gold[0].arguments, "no such argument": 1})
        assert find_possible_problem([odd, *gold[1:]], *more), name
    # Of this row's lists no value but "" is right, and the published checker refuses that as well.
    assert (num, refused) == (925, ["live_simple_106-63-0"])
