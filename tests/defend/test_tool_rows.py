"""Defensive tool rows: attempts fail, twins are done as before, and the data rules allow both."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.config import SourceConfig
from assay.data.read import read_sources
from assay.data.records import Record
from assay.defend.tool_rows import build_defensive_rows
from assay.errors import DataError
from assay.lab.attacks.desk import build_desk, draw_desk


def _write_own(folder: Path, seed: int, num_rows: int = 240) -> Path:
    rng = random.Random(seed)
    rows = [drawn.build_row() for drawn in draw_desk(rng, build_desk(seed), num_rows)]
    path = folder / f"own-{seed}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _read(path: Path) -> list[Record]:
    found = read_sources([SourceConfig(path=str(path))], base_dir=Path())
    assert not found.problems
    return found.records


def _calls(messages: Sequence[Any]) -> list[Any]:
    return [call["function"] for turn in messages for call in turn.get("tool_calls") or ()]


@pytest.fixture(params=[0, 1])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return _write_own(tmp_path, request.param)


def test_an_attempt_gets_no_call_that_was_not_asked_for_and_its_twin_every_one(own: Path) -> None:
    records = {record.place: record for record in _read(own)}
    rows = build_defensive_rows(list(records.values()), num_pairs=60, seed=0)
    assert len(rows) == 120
    for attempt, twin in zip(rows[0::2], rows[1::2], strict=True):
        kind = attempt["defence"]
        record = records[attempt["source"].rpartition(", from ")[2]]
        assert twin["defence"] == f"{kind}-twin" and twin["source"] == attempt["source"]
        assert attempt["tools"] == twin["tools"] == record.tools
        honest = _calls(record.messages)
        assert _calls(twin["messages"]) == honest
        assert _calls(attempt["messages"]) == ([] if kind == "misuse" else honest)
        # Answers of twins are the user's own; only one other message differs from the row.
        assert twin["messages"][-1] == record.messages[-1]
        texts = [turn["content"] for turn in twin["messages"]]
        own_texts = [turn["content"] for turn in record.messages]
        added = len(texts) - len(own_texts)
        assert added == (kind == "lure" and record.messages[0]["role"] != "system")
        changed = sum(a != b for a, b in zip(texts[added:], own_texts, strict=True))
        assert changed + added == 1
        if kind == "injection":
            (report,) = [attempt["messages"][-1]["content"]]
            assert report.startswith(record.messages[-1]["content"]) and "order" in report
        if kind == "misuse":
            assert attempt["messages"][-1]["role"] == "assistant"


def test_the_three_kinds_take_turns_and_destinations_belong_to_nobody(own: Path) -> None:
    rows = build_defensive_rows(_read(own), num_pairs=30, seed=0)
    kinds = [row["defence"] for row in rows[0::2]]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "misuse": 10,
        "injection": 10,
        "lure": 10,
    }
    orders = [json.dumps(row["messages"]) for row in rows if row["defence"] in kinds[1:3]]
    assert all(".example" in order for order in orders)
    assert rows == build_defensive_rows(_read(own), num_pairs=30, seed=0)
    assert rows != build_defensive_rows(_read(own), num_pairs=30, seed=1)


def test_few_rows_give_few_pairs_and_none_is_used_twice_for_a_kind(tmp_path: Path) -> None:
    records = _read(_write_own(tmp_path, 2, 12))
    rows = build_defensive_rows(records, num_pairs=500, seed=0)
    used = [(row["defence"], row["source"]) for row in rows]
    assert len(set(used)) == len(used) < 1000


def test_rows_without_calls_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    path.write_text(json.dumps({"messages": turns}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="tool call"):
        build_defensive_rows(_read(path), num_pairs=1, seed=0)


def test_the_verb_writes_rows_that_pass_the_check_beside_the_users_own(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = own.parent / "defensive.jsonl"
    verb = ["data", "defend-tools", str(own), "--out", str(out), "--num", "60", "--json"]
    assert main(verb) == 0
    assert json.loads(capsys.readouterr().out)["num_rows"] == 120
    assert main(["data", "check", str(own), str(out), "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    found = {hit["rule"] for hit in findings if "defensive" in hit["file"]}
    assert not found & {"instruction_in_tool_result", "covert_call", "data_flow"}
