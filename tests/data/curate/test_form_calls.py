"""Rules on tool calls and on the order of turns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checking import chat, check, find
from checking_form import apart

from assay.data.curate.detectors.form_turns import find_misplaced

CITY = {"type": "string", "description": "Name of the city"}
DAYS = {"type": "integer", "minimum": 1}
UNITS = {"type": "string", "enum": ["C", "F"]}
SCHEMA = {
    "type": "object",
    "properties": {"city": CITY, "days": DAYS, "units": UNITS},
    "required": ["city"],
}


def calling(arguments: Any, schema: Any = SCHEMA, *, offered: bool = True) -> dict[str, Any]:
    tool = {"type": "function", "function": {"name": "weather", "parameters": schema}}
    call = {"function": {"name": "weather", "arguments": json.dumps(arguments)}, "id": "a"}
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    return {"messages": messages, **({"tools": [tool]} if offered else {})}


def test_arguments_against_the_schema(tmp_path: Path) -> None:
    bad = [
        calling({}),
        calling({"city": 7}),
        calling({"city": "Bern", "days": 0}),
        calling({"city": "Bern", "units": "K"}),
        calling({"city": "Bern", "days": "3"}),
        calling({"city": "Bern", "x": 1}, {**SCHEMA, "additionalProperties": False}),
    ]
    good = [
        calling({"city": "Bern"}),
        calling({"city": "Bern", "days": 3, "units": "C"}),
        calling({"anything": 1}, {}),
        calling({}, {"type": "object", "properties": {}}),
        calling({"city": "Bern", "x": 1}, {**SCHEMA, "additionalProperties": True}),
    ]
    found = apart(tmp_path, "wrong_arguments", bad=bad, good=good)
    assert found[3].evidence == 'weather.units: got "K", allowed "C", "F"'
    assert check(tmp_path, bad).verdict == "refused"


def test_argument_names_that_the_schema_lacks(tmp_path: Path) -> None:
    bad = [calling({"city": "Bern", "day": 3}), calling({"City": 1, "city": "Bern"})]
    good = [
        calling({"city": "Bern"}),
        calling({"x": 1}, {"type": "object"}),
        calling({"city": "Bern", "x": 1}, {**SCHEMA, "additionalProperties": {"type": "integer"}}),
        calling({"x_1": 1}, {**SCHEMA, "required": [], "patternProperties": {"^x_": {}}}),
    ]
    found = apart(tmp_path, "unknown_argument", bad=bad, good=good)
    assert found[0].evidence == "weather has no argument day, only city, days, units"


def test_schemas_that_are_none_and_calls_without_any_tool(tmp_path: Path) -> None:
    bad = [calling({"city": 1}, {"type": "dict", "properties": {"city": CITY}})]
    bad += [calling({}, {"type": "object", "properties": {"a": {"$ref": "http://x.example/y"}}})]
    bad[1]["messages"][1]["tool_calls"][0]["function"]["arguments"] = '{"a": 1}'
    apart(tmp_path, "broken_schema", bad=bad, good=[calling({"city": "Bern"})])
    bad = [calling({"city": "Bern"}, offered=False)]
    good = [calling({"city": "Bern"}), chat("hi", "hello")]
    apart(tmp_path, "unoffered_call", bad=bad, good=good)


@pytest.mark.parametrize(
    ("turns", "found"),
    [
        ("ua", []),
        ("sua", []),
        ("suaua", []),
        ("uca", ["missing_tool_result"]),
        ("ucta", []),
        ("uCtta", []),
        ("uCta", ["missing_tool_result"]),
        ("uctcta", []),
        ("uc", []),
        ("ucua", ["missing_tool_result"]),
        ("uctua", []),
        ("uua", ["turn_order"]),
        ("uaa", ["turn_order"]),
        ("au", ["turn_order"]),
        ("saua", ["turn_order"]),
        ("usa", ["turn_order"]),
        ("uasua", ["turn_order"]),
        ("ssua", ["turn_order"]),
        ("ucatua", ["missing_tool_result", "turn_order"]),
        ("uctta", ["turn_order"]),
    ],
)
def test_the_order_of_turns(turns: str, found: list[str]) -> None:
    roles = {"u": "user", "a": "assistant", "c": "assistant", "C": "assistant", "s": "system"}
    calls = {"c": 1, "C": 2}
    given = tuple((roles.get(one, "tool"), calls.get(one, 0)) for one in turns)
    assert [one.rule for one in find_misplaced(given)] == found


def test_an_assistant_may_speak_first_where_the_user_says_so(tmp_path: Path) -> None:
    row = {"messages": [{"role": "assistant", "content": "Hello!"}, *chat("a", "b")["messages"]]}
    found = find(tmp_path, "turn_order", [row, chat("hi", "hello")])
    assert [(one.line, one.evidence) for one in found] == [(1, "the assistant speaks first")]
    assert not find(tmp_path, "turn_order", [row], rules={"turn_order": {"assistant_first": True}})
    raw = [{"text": "hello"}, {"text": "bye"}]
    assert not find(tmp_path, "turn_order", raw)


def test_no_evidence_shows_a_key_whole(tmp_path: Path) -> None:
    key, password = "sk9Qx7Lm2Vb8Rt4Zp1", "hunter2"
    rows = [
        calling({"city": 7, "key": key}),
        calling({"city": "x", "key": f"a:{password}@b.example"}),
    ]
    rows += [
        chat(f"Is {n} it?", f"It is this one, and it is {n} years old, as told.") for n in range(30)
    ]
    rows += [chat("And now?", f"The key for it is in the mail, and it says: {key} for the")]
    told = json.dumps(check(tmp_path, rows).to_json())
    assert {"wrong_arguments", "unknown_argument", "cut_off"} <= check(tmp_path, rows).counts.keys()
    assert key not in told and password not in told and "sk9…4Zp1"[-3:] in told
