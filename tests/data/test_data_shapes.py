"""Recognising formats: one fits, none fits, two fit, or it is data for another objective."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.config import SourceConfig
from assay.data import read_sources

CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]


@pytest.mark.parametrize(
    ("row", "shape"),
    [
        ({"messages": CHAT}, "chat"),
        (
            {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
            "sharegpt",
        ),
        ({"instruction": "a", "output": "b"}, "alpaca"),
        ({"prompt": "a", "completion": "b"}, "completion"),
        ({"text": "a"}, "text"),
        ({"prompt": "a", "prompt_id": "1", "messages": CHAT}, "chat"),
    ],
)
def test_shape_is_recognised(read: Any, row: dict[str, Any], shape: str) -> None:
    result = read([row])
    assert result.refusals == []
    assert (result.counts[0].format, len(result.records)) == (shape, 1)


@pytest.mark.parametrize(
    ("row", "name", "objective"),
    [
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "preference", "dpo"),
        ({"chosen": CHAT, "rejected": CHAT}, "preference", "dpo"),
        ({"input": {}, "preferred_output": [], "non_preferred_output": []}, "preference", "dpo"),
        ({"prompt": "a", "completion": "b", "label": True}, "rated", "kto"),
        ({"prompt": "a"}, "prompt", "grpo"),
    ],
)
def test_data_of_other_objectives_is_refused_by_name(
    read: Any, row: dict[str, Any], name: str, objective: str
) -> None:
    result = read([row, row])
    (problem,) = result.refusals
    assert problem.got == f"{name} data"
    assert objective in problem.do
    assert result.records == []


def test_two_shapes_that_fit_are_a_tie(read: Any) -> None:
    (problem,) = read([{"messages": CHAT, "text": "hi"}]).refusals
    assert problem.got == "columns messages, text, which fit chat and text equally well"


def test_a_tie_is_solved_by_a_name(read: Any) -> None:
    result = read([{"messages": CHAT, "text": "hi"}], format="text")
    assert [record.kind for record in result.records] == ["text"]
    assert result.counts[0].other_columns == ["messages"]


def test_unknown_columns_name_what_was_seen_and_suggest_a_mapping(read: Any) -> None:
    (problem,) = read([{"question": "1 + 1", "answer": "2"}]).refusals
    assert problem.got == "columns question, answer, which fit no known shape"
    assert "sharegpt (conversations)" in problem.allowed
    assert "columns: {instruction: question, output: answer}" in problem.do


def test_the_suggested_mapping_works(read: Any) -> None:
    columns = {"instruction": "question", "output": "answer"}
    result = read([{"question": "1 + 1", "answer": "2", "level": 1}], columns=columns)
    assert [m["content"] for m in result.records[0].messages] == ["1 + 1", "2"]
    assert result.records[0].extra == {"level": 1}


def test_problems_of_mapped_rows_name_the_files_own_columns(read: Any) -> None:
    columns = {"instruction": "question", "output": "answer"}
    result = read([{"question": "a", "answer": "b"}, {"question": "c"}], columns=columns)
    assert [(problem.line, problem.key) for problem in result.problems] == [(2, "answer")]


def test_mapping_of_an_unknown_field_is_refused_with_the_nearest(read: Any) -> None:
    (problem,) = read([{"text": "a"}], columns={"instructions": "text"}).refusals
    assert problem.do == "did you mean instruction?"


def test_named_format_that_no_row_has_is_one_problem(read: Any) -> None:
    result = read([{"q": "a"}] * 50, format="alpaca")
    (problem,) = result.refusals
    assert (problem.line, result.problems) == (1, [])
    assert problem.allowed == "for alpaca: instruction, output"


def test_the_majority_names_the_shape_and_the_rest_are_bad_rows(read: Any) -> None:
    result = read([{"chat": CHAT}, {"messages": CHAT}, {"messages": CHAT}])
    assert result.counts[0].format == "chat"
    assert [(problem.line, problem.key) for problem in result.problems] == [(1, "messages")]


DOLLY = {"instruction": "Who?", "context": "Ada wrote it.", "response": "Ada."}


def test_the_suggested_mapping_keeps_the_context(read: Any) -> None:
    (problem,) = read([DOLLY]).refusals
    mapping = "columns: {instruction: instruction, input: context, output: response}"
    assert mapping in problem.do
    columns = {"instruction": "instruction", "input": "context", "output": "response"}
    (record,) = read([DOLLY], columns=columns).records
    assert record.messages[0]["content"] == "Who?\nAda wrote it."
    (problem,) = read([{"input": "Who?", "passage": "Ada.", "output": "She."}]).refusals
    assert "{instruction: input, input: passage, output: output}" in problem.do


@pytest.mark.parametrize("shape", ["auto", "alpaca"])
def test_mapping_to_a_column_that_no_row_has_is_refused(read: Any, shape: str) -> None:
    columns = {"input": "contxt", "output": "response"}
    (problem,) = read([DOLLY] * 40, format=shape, columns=columns).refusals
    assert problem.got == "column 'contxt', which no row has"
    assert (problem.key, problem.do) == ("columns.input", "did you mean context?")


def test_mapping_to_a_column_of_later_rows_alone_is_meant(read: Any) -> None:
    bare = {"instruction": "Hi", "output": "Hello"}
    result = read([bare] * 40 + [{**bare, "context": "c"}], columns={"input": "context"})
    assert result.refusals == []
    assert result.records[-1].messages[0]["content"] == "Hi\nc"


@pytest.mark.parametrize("shape", ["auto", "alpaca"])
def test_mapping_of_a_field_that_the_shape_lacks_is_refused(read: Any, shape: str) -> None:
    columns = {"completion": "context", "output": "response"}
    (problem,) = read([DOLLY], format=shape, columns=columns).refusals
    assert problem.got == "'completion', which alpaca rows do not have"
    assert "input" in problem.allowed


def test_alpaca_rows_may_have_tools(read: Any) -> None:
    row = {"instruction": "a", "output": "b", "tools": [{"name": "f"}]}
    (record,) = read([row]).records
    assert record.tools is not None and record.extra == {}


@pytest.mark.parametrize("label", ["label", "Labels", "target", "class", "category", "response"])
def test_a_label_beside_a_text_is_not_left_unlearned_in_silence(read: Any, label: str) -> None:
    rows = [{"text": f"message {n}", label: "billing"} for n in range(3)]
    (problem,) = read(rows).refusals
    assert problem.got.startswith(f"columns text, {label}: plain text alone would be learned")
    assert "{path, format: text}" in problem.do
    assert f"format: completion, columns: {{prompt: text, completion: {label}}}" in problem.do
    assert read(rows, format="text").counts[0].num_records == 3
    mapped = read(rows, format="completion", columns={"prompt": "text", "completion": label})
    assert [m["content"] for m in mapped.records[0].messages] == ["message 0", "billing"]
    assert read([{"text": "a", "source": "b"}]).counts[0].format == "text"


def test_files_of_two_formats_in_a_folder_are_to_be_sources_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    (folder / "b.jsonl").write_text(json.dumps({"messages": CHAT}) + "\n", encoding="utf-8")
    (problem,) = read_sources([SourceConfig(path="rows")], base_dir=tmp_path).refusals
    assert problem.do.startswith("list the files as separate sources")
    (folder / "a.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n', encoding="utf-8")
    (problem,) = read_sources([SourceConfig(path="rows")], base_dir=tmp_path).problems
    assert (problem.allowed, problem.line) == ("text rows", 1)
    assert problem.do == "list chat rows as a source of their own, apart from text rows"
