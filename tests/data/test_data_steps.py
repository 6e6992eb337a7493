"""Rows whose answers are judged step by step: read, refused by place, rendered, stored, cut."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.chat import ChatTokenizer
from assay.config import SourceConfig
from assay.data import tokenize
from assay.data.curate.stored_rows import decode_record, encode_record
from assay.data.read import read_sources
from assay.data.records import Record, compute_content_hash
from assay.data.render_rows import RowRenderer
from assay.data.step_rows import list_prefixes, split_steps
from assay.data.stored import read_split, write_split

STEPS = ["First 2.", "Then 3.\nSo 5.", "Thus 6."]
ROW = {"prompt": "Add.", "completions": STEPS, "labels": [True, True, False]}


@pytest.fixture
def learn(tmp_path: Path) -> Any:
    def _learn(rows: list[Any], wanted: str = "stepwise", **settings: Any) -> Any:
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        source = SourceConfig(path="rows.jsonl", **settings)
        return read_sources([source], base_dir=tmp_path, wanted=wanted)  # type: ignore[arg-type]

    return _learn


def read_one(learn: Any, row: Any) -> Record:
    (record,) = learn([row]).records
    return record


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ({"prompt": "Add."}, "completion"),
        ({"instruction": "Add."}, "chat"),
        ({"prompt": [{"role": "user", "content": "Add."}]}, "chat"),
    ],
)
def test_steps_are_joined_and_can_be_told_apart_again(
    learn: Any, prompt: dict[str, Any], kind: str
) -> None:
    row = {**prompt, "completions": STEPS, "labels": [1, True, "false"], "who": "me"}
    record = read_one(learn, row)
    assert (record.kind, record.objective) == (kind, "stepwise")
    assert record.messages[-1]["content"] == "First 2.\n\nThen 3.\nSo 5.\n\nThus 6."
    assert split_steps(record.messages[-1]["content"]) == STEPS
    assert record.step_labels == [True, True, False]
    assert record.extra == {"who": "me"}
    other = read_one(learn, {**row, "labels": [True, True, True]})
    assert compute_content_hash(other) != compute_content_hash(record)


@pytest.mark.parametrize(
    ("change", "key", "told"),
    [
        ({"labels": [True, True]}, "labels", "2 labels for 3 steps"),
        ({"labels": [True, "maybe", 1]}, "labels[1]", "maybe"),
        ({"labels": []}, "labels", "an empty list"),
        ({"completions": ["a", "b\n\nc", "d"]}, "completions[1]", "an empty line"),
        ({"completions": ["a", "", "d"]}, "completions[1]", '""'),
        ({"prompt": ""}, "prompt", "an empty prompt"),
        ({"prompt": None}, "prompt", "without a prompt"),
    ],
)
def test_bad_rows_are_named(learn: Any, change: dict[str, Any], key: str, told: str) -> None:
    read = learn([{**ROW, **change}, ROW], format="stepwise")
    (problem,) = read.problems
    assert (problem.line, problem.key) == (1, key) and told in problem.got
    assert len(read.records) == 1


def test_other_objectives_refuse_them_by_name(learn: Any) -> None:
    (problem,) = learn([ROW], wanted="answers").refusals
    assert problem.got == "stepwise data" and "process_reward" in problem.do


def test_they_are_stored_as_they_are(learn: Any, tmp_path: Path) -> None:
    record = read_one(learn, ROW)
    write_split(tmp_path / "rows.parquet", [record])
    (found,) = read_split(tmp_path / "rows.parquet")
    assert replace(found, role=record.role) == record
    plain = replace(record, id="")
    assert decode_record(encode_record(plain)[0]) == plain


def test_each_step_ends_the_answer_once(learn: Any, tokenizer: ChatTokenizer) -> None:
    record = read_one(learn, {**ROW, "prompt": None, "instruction": "Add."})
    (whole,) = tokenize([record], tokenizer, max_seq_len=500, on_too_long="refuse").sequences
    assert whole.step_labels == (True, True, False)
    texts = [tokenizer.decode(one.input_ids, False) for one in (*whole.steps, whole)]
    prefixes = list_prefixes(record.messages[-1]["content"])
    assert texts == [f"<|user|>Add.<|end|><|assistant|>{one}<|end|>" for one in prefixes]
    row = whole.row
    assert (row.weight, row.step_labels, row.is_pair) == (3.0, whole.step_labels, False)
    # What each begins with stands in a batch once: the whole answer, and the end of each step.
    assert whole.num_tokens == len(whole.input_ids) + 2


def test_workers_render_them_alike(learn: Any, tokenizer: ChatTokenizer) -> None:
    rows = [{**ROW, "prompt": f"Add {n}.", "completions": STEPS[:2]} for n in range(12)]
    records = learn([{**row, "labels": [True, False]} for row in rows]).records
    plain = tokenize(records, tokenizer, max_seq_len=500, on_too_long="refuse").sequences
    render = RowRenderer(num_cpus=2, min_worker_chars=1)
    found = tokenize(records, tokenizer, max_seq_len=500, on_too_long="refuse", render=render)
    assert found.sequences == plain
    assert all(not one.row.is_pair for one in plain)


def test_rows_that_are_too_long_keep_the_same_end_of_their_prompt(
    learn: Any, tokenizer: ChatTokenizer
) -> None:
    record = read_one(learn, {**ROW, "prompt": "x" * 50})
    (whole,) = tokenize([record], tokenizer, max_seq_len=500, on_too_long="refuse").sequences
    length = len(whole.input_ids) - 40
    (cut,) = tokenize([record], tokenizer, max_seq_len=length, on_too_long="keep_end").sequences
    pairs = zip((*cut.steps, cut), (*whole.steps, whole), strict=True)
    assert all(one.input_ids == other.input_ids[40:] for one, other in pairs)
    short = tokenize([record], tokenizer, max_seq_len=20, on_too_long="keep_end")
    assert not short.sequences and short.dropped[0].reason == "too_long"


def test_a_row_whose_steps_changed_is_refused(learn: Any, tokenizer: ChatTokenizer) -> None:
    record = read_one(learn, ROW)
    answer = {**record.messages[-1], "content": "one step"}
    changed = replace(record, messages=[record.messages[0], answer])
    found = tokenize([changed], tokenizer, max_seq_len=99, on_too_long="drop", on_bad_rows="drop")
    assert found.dropped[0].detail == "3 labels for 1 steps"
