"""Rows that cannot be read: each of the reader's complaints has a rule by which it is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checking import chat

from assay.config import SourceConfig
from assay.data.curate import check_parts, list_detectors, list_rules

READER = {rule.name for one in list_detectors() if one.name == "reading" for rule in one.rules}
GOOD = json.dumps(chat("hi", "hello"))
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {}}}
ASKED = {"role": "user", "content": "hi"}


def call(name: str = "weather", arguments: Any = "{}", identity: str = "a") -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def row(*messages: Any, **columns: Any) -> str:
    return json.dumps({"messages": [ASKED, *messages], **columns})


def calling(*calls: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


DONE = {"role": "assistant", "content": "done"}
BROKEN: list[tuple[str, str]] = [
    ("broken_json", '{"messages": ['),
    ("broken_json", '{"messages": [], "messages": []}'),
    ("broken_json", '{"messages": NaN}'),
    ("broken_json", json.dumps({"messages": "[{"})),
    ("broken_encoding", '{"messages": "\\ud800"}'),
    ("missing_role", row({"content": "hello"})),
    ("missing_role", row({"role": "asistant", "content": "hello"})),
    ("empty_answer", row({"role": "assistant", "content": " \n"})),
    ("empty_answer", row({"role": "assistant"})),
    ("empty_prompt", row({"role": "user", "content": " "}, DONE)),
    ("empty_prompt", row({"role": "system"}, DONE)),
    ("missing_answer", row()),
    ("missing_answer", row(DONE, ASKED)),
    ("missing_column", json.dumps({"text": "hi"})),
    ("undeclared_tool", row(calling(call("fly")), tools=[WEATHER])),
    ("orphan_tool_result", row({"role": "tool", "content": "1", "tool_call_id": "a"}, DONE)),
    ("orphan_tool_result", row(calling(call()), {"role": "tool", "content": "1"}, DONE)),
    ("broken_tool_call", row(calling(call(arguments="{")), tools=[WEATHER])),
    ("broken_tool_call", row(calling(call(arguments="[1]")))),
    ("broken_tool_call", row(calling(call(arguments=None)))),
    ("broken_tool_call", row(calling({"function": {"arguments": "{}"}}))),
    ("broken_tool_call", row(calling(call(), call()))),
    ("broken_tool", row(DONE, tools=[WEATHER, WEATHER])),
    ("broken_tool", row(DONE, tools=[{"type": "function"}])),
    ("broken_tool", row(DONE, tools="[{")),
    ("unusable_row", row({"role": "assistant", "content": 7})),
    ("unusable_row", row({"role": "assistant", "content": "x", "weight": 3})),
    ("unusable_row", "7"),
]


@pytest.mark.parametrize(("rule", "line"), BROKEN)
def test_each_problem_of_the_reader_has_its_rule(tmp_path: Path, rule: str, line: str) -> None:
    (tmp_path / "rows.jsonl").write_text(f"{GOOD}\n{GOOD}\n{line}\n{GOOD}\n")
    assert _find(tmp_path, "rows.jsonl") == [(3, rule)]


def test_bytes_and_cells_have_their_rules(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(f"{GOOD}\n".encode() + b'{"text": "\xff"}\n')
    assert _find(tmp_path, "rows.jsonl") == [(2, "broken_encoding")]
    cells = 'instruction,output\nhi,hello\nhi,hello,you\nhi,"a"b\nhi,\n'
    (tmp_path / "rows.csv").write_text(cells)
    found = [(3, "broken_csv"), (4, "broken_csv"), (5, "empty_answer")]
    assert _find(tmp_path, "rows.csv") == found


def test_conversations_in_the_manner_of_sharegpt(tmp_path: Path) -> None:
    turns: list[tuple[str, list[dict[str, str]]]] = [
        ("missing_role", [{"from": "nobody", "value": "hi"}]),
        ("empty_prompt", [{"from": "human"}]),
        ("broken_tool_call", [{"from": "function_call", "value": "{"}]),
        ("orphan_tool_result", [{"from": "observation", "value": "1"}]),
    ]
    good = {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}
    rows = [good, *({"conversations": [*own, *good["conversations"]]} for _, own in turns)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    found = dict.fromkeys(_find(tmp_path, "rows.jsonl"))
    assert list(found) == [(line, rule) for line, (rule, _) in enumerate(turns, start=2)]


def test_every_rule_of_the_reader_is_met_above() -> None:
    met = {rule for rule, _ in BROKEN} | {"broken_csv"}
    assert met == READER
    assert all(list_rules()[name].severity == "error" for name in met)


def _find(folder: Path, name: str) -> list[tuple[int, str]]:
    parts = {"train": [SourceConfig(path=name)]}
    checked = check_parts(parts, base_dir=folder, work=folder / "work")
    return [(one.line, one.rule) for one in checked.findings if one.rule in READER]
