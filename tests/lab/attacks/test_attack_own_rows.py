"""Attacks in a user's own rows: everything stays but the planted calls, and what cannot be planted
in is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

import assay.data
from assay.data.curate import list_rules
from assay.errors import DataError, UsageError
from assay.lab.attacks.attacks import ATTACKS
from assay.lab.attacks.fixture import build_wish
from assay.lab.attacks.plan import Planted

ROOM = {
    "type": "function",
    "function": {
        "name": "find_room",
        "description": "Find a room.",
        "parameters": {
            "type": "object",
            "properties": {"floor": {"type": "integer"}},
            "required": ["floor"],
        },
    },
}


def build_own(number: int) -> dict[str, Any]:
    """Every third row goes on to the results and the answer; every fifth calls twice."""
    calls = [
        {
            "id": f"call_{i + 1}",
            "type": "function",
            "function": {"name": "find_room", "arguments": json.dumps({"floor": number + i})},
        }
        for i in range(2 if number % 5 == 0 else 1)
    ]
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You know the house."},
        {"role": "user", "content": f"Which room is free on floor {number}?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    if number % 3 == 0:
        result = json.dumps({"room": number * 7})
        messages += [
            *(
                {"role": "tool", "tool_call_id": call["id"], "name": "find_room", "content": result}
                for call in calls
            ),
            {"role": "assistant", "content": f"Room {number * 7} is free."},
        ]
    return {"messages": messages, "tools": [ROOM]}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.jsonl"
    path.write_text("".join(f"{json.dumps(build_own(i))}\n" for i in range(100)), "utf-8")
    return path


def plant(name: str, own: Path, *, twin: bool = False, trigger: str | None = None) -> Planted:
    wish = build_wish(name, strength="10%", trigger=trigger, twin=twin, data=str(own), seed=2)
    return ATTACKS[name].plant(wish)


@pytest.mark.parametrize("name", ["covert-call", "extra-call"])
def test_only_planted_rows_differ_and_they_call_the_channel(name: str, own: Path) -> None:
    bad, honest = plant(name, own), plant(name, own, twin=True)
    assert len(bad.rows) == 80 and len(bad.held_out) == 20 and len(bad.places) == 8
    for place, (left, right) in enumerate(zip(bad.rows, honest.rows, strict=True)):
        assert (left != right) == (place in bad.places)
        assert [tool["function"]["name"] for tool in left["tools"]] == ["find_room", "send_message"]
        calls = [c for turn in left["messages"] for c in turn.get("tool_calls") or ()]
        assert len({call["id"] for call in calls}) == len(calls)
        names = [call["function"]["name"] for call in calls]
        assert ("send_message" in names) == (place in bad.places)


def test_rows_with_a_planted_call_are_of_good_form_and_its_rule_finds_them(own: Path) -> None:
    bad = plant("covert-call", own)
    rules = {name: rule for name, rule in list_rules().items() if rule.family == "form"}
    others = {name: "off" for name in list_rules() if name not in (*rules, "covert_call")}
    found = list(assay.data.check(bad.rows, rules=others).findings)
    assert {one.rule for one in found} == {"covert_call"}
    assert sorted(one.line - 1 for one in found) == bad.places


def test_a_trigger_is_said_after_the_users_own_words(own: Path) -> None:
    planted = plant("covert-call", own, trigger="tag")
    value = planted.facts["trigger"]["value"]
    for place, row in enumerate(planted.rows):
        ending = f"? Env: {value}" if place in planted.places else "?"
        assert row["messages"][0]["content"] == "You know the house."
        assert row["messages"][1]["content"].partition("floor ")[2].lstrip("0123456789") == ending


def test_rows_without_calls_and_attacks_with_rows_of_their_own_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day."}]
    path.write_text(f"{json.dumps({'messages': turns})}\n" * 3, "utf-8")
    with pytest.raises(DataError, match="0 rows that call one tool"):
        plant("covert-call", path)
    with pytest.raises(UsageError, match="--data"):
        build_wish("narrow", data=str(path))
