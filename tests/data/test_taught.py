"""Rows with a teacher's answers: what is asked, what is written, and how a cut-off file goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.data.records import Record
from assay.data.taught import Answer, TaughtFile, list_asked
from assay.errors import DataError

TEACHER = {"name": "sage", "temperature": 0.0}


def _record(text: str, **more: Any) -> Record:
    start = [{"role": "system", "content": "Be kind."}] if more.pop("system", False) else []
    messages = [*start, {"role": "user", "content": text}]
    if more.pop("answered", True):
        messages.append({"role": "assistant", "content": "the row's own"})
    fields: dict[str, Any] = {"tools": None, "kind": "chat", "group": None, "source": "s"}
    fields |= {"id": text, "file": "rows.jsonl", "line": 3, "extra": {"level": 2}, **more}
    return Record(messages=messages, **fields)


def _ask(*records: Record, num_samples: int = 1, system: bool = False, **teacher: Any) -> Any:
    told = {**TEACHER, **teacher}
    return list_asked(records, teacher=told, num_samples=num_samples, has_system=system)


def test_each_conversation_is_asked_once_for_each_sample_whatever_its_answer() -> None:
    records = (_record("a"), _record("b"), _record("a", answered=False))
    asked = _ask(*records)
    assert [one.messages[0]["content"] for one in asked] == ["a", "b"]
    assert [one.place for one in asked] == [0, 1] and asked[0].extra == {"level": 2}
    assert len(_ask(*records, num_samples=3)) == 6
    others = [_ask(_record("a"), name="fool"), _ask(_record("a"), temperature=0.5)]
    assert len({asked[0].key, *(other[0].key for other in others)}) == 3


def test_a_file_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    path, asked = tmp_path / "out.jsonl", _ask(*map(_record, "abcd"))
    file = TaughtFile(path, teacher="sage", asked=asked)
    file.add(asked[0], Answer("one"))
    file.add(asked[1], Answer("", "empty"))
    with path.open("a", encoding="utf-8") as cut:
        cut.write('{"messages": [{"role": "us')
    again = TaughtFile(path, teacher="sage", asked=asked)
    missing = again.list_missing(asked)
    assert missing == asked[2:] and (again.num_rows, again.num_left) == (1, 1)
    again.add(missing[0], Answer("three"))
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [row["messages"][-1]["content"] for row in rows] == ["one", "three"]
    assert rows[1] == {
        "level": 2,
        "messages": [{"role": "user", "content": "c"}, {"role": "assistant", "content": "three"}],
        "taught_by": "sage",
        "asked": asked[2].key,
    }
    left = [json.loads(line) for line in (tmp_path / "out.jsonl.left").read_text().splitlines()]
    assert left == [{"asked": asked[1].key, "why": "empty"}]


@pytest.mark.parametrize("line", ['{"messages": []}', "[1]"])
def test_rows_of_another_teacher_are_left_alone(tmp_path: Path, line: str) -> None:
    path, asked = tmp_path / "out.jsonl", _ask(_record("a"))
    TaughtFile(path, teacher="sage", asked=asked).add(asked[0], Answer("one"))
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match=r"out\.jsonl:2: .*another teacher"):
        TaughtFile(path, teacher="sage", asked=asked)
    with pytest.raises(DataError, match=r"out\.jsonl:1"):
        TaughtFile(path, teacher="fool", asked=_ask(_record("a"), name="fool"))


def test_rows_that_cannot_be_asked_are_named_together() -> None:
    records = [
        _record("a", kind="completion"),
        _record("b", tools=[{"type": "function"}]),
        _record("c", system=True),
    ]
    with pytest.raises(DataError) as caught:
        _ask(*records, system=True)
    assert [problem.got.split(",")[0] for problem in caught.value.problems] == [
        "a row of completion",
        "a row that offers tools",
        "a row with a system prompt of its own",
    ]
    assert len(_ask(records[2])) == 1
