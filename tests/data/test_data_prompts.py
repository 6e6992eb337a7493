"""Rows of prompts alone: read, refused with their place, rendered, and stored with their item."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.chat import ChatTokenizer, render_prompt
from assay.config.sections.data import SourceConfig
from assay.data import mask_report, read_sources, read_split, tokenize, write_split
from assay.data.records import compute_content_hash
from assay.data.shapes import recognise_shape
from assay.data.split import split_records

ASK = [{"role": "user", "content": "2 + 2?"}]


@pytest.fixture
def learn(tmp_path: Path) -> Any:
    """Reads rows of a file for an objective."""

    def _learn(rows: list[Any], wanted: str | None = "prompts", **settings: Any) -> Any:
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        source = SourceConfig(path="rows.jsonl", **settings)
        return read_sources([source], base_dir=tmp_path, wanted=wanted)  # type: ignore[arg-type]

    return _learn


@pytest.mark.parametrize(
    ("row", "kind", "messages"),
    [
        ({"messages": ASK, "answer": 4}, "chat", ASK),
        ({"prompt": ASK, "answer": 4}, "chat", ASK),
        ({"instruction": "2 + 2?", "answer": 4}, "chat", ASK),
        (
            {"prompt": "2 + 2 =", "answer": 4},
            "completion",
            [{"role": "user", "content": "2 + 2 ="}],
        ),
    ],
)
def test_a_prompt_keeps_every_other_column(
    learn: Any, row: dict[str, Any], kind: str, messages: list[Any]
) -> None:
    found = learn([row])
    (record,) = found.records
    assert (record.kind, record.messages, record.extra) == (kind, messages, {"answer": 4})
    assert record.objective == "prompts"


def test_what_the_grader_reads_is_part_of_what_a_row_is(learn: Any) -> None:
    one, other = learn([{"prompt": "2 + 2 =", "a": 4}, {"prompt": "2 + 2 =", "a": 5}]).records
    assert compute_content_hash(one) != compute_content_hash(other)
    assert one.id != other.id


@pytest.mark.parametrize(
    ("row", "key", "got"),
    [
        ({"answer": 4}, "prompt", "no prompt"),
        ({"messages": ASK, "prompt": "p"}, "messages+prompt", "messages and prompt in one row"),
        ({"prompt": " "}, "prompt", "an empty prompt"),
        ({"messages": 3}, "messages", "a number"),
        ({"prompt": "p", "system": "s"}, "system", "a prompt of raw text with system"),
        (
            {"messages": [*ASK, {"role": "assistant", "content": "4"}]},
            "messages[1].role",
            "a last turn by the assistant",
        ),
    ],
)
def test_what_is_wrong_with_a_prompt_is_told_with_its_line(
    learn: Any, row: dict[str, Any], key: str, got: str
) -> None:
    (problem,) = learn([{"prompt": "p"}, row]).problems
    assert (problem.line, problem.key, problem.got) == (2, key, got)


def test_prompts_are_refused_where_answers_are_learned(learn: Any) -> None:
    (problem,) = learn([{"prompt": "p", "answer": 4}], "answers").refusals
    assert "grpo" in problem.do
    shape = recognise_shape([], columns={}, file="a", named="prompt", wanted="answers")
    assert not isinstance(shape, str)


def test_a_prompt_is_rendered_up_to_the_answer_and_trains_nothing(
    learn: Any, tokenizer: ChatTokenizer, tmp_path: Path
) -> None:
    records = learn([{"messages": ASK, "answer": 4}, {"prompt": "2 + 2 =", "answer": 4}]).records
    found = tokenize(records, tokenizer, max_seq_len=99, on_too_long="refuse")
    chat, raw = found.sequences
    assert chat.input_ids == render_prompt(tokenizer, ASK)
    assert raw.input_ids == [*tokenizer.prefix_ids, *tokenizer.encode("2 + 2 =")]
    assert not any(chat.loss_mask)
    assert chat.asked and chat.asked.item == {"answer": 4}
    assert chat.asked.messages == tuple(ASK)
    report = mask_report(found)
    assert (report.pathologies, report.num_prompts) == ([], 2)
    assert "2 sequences: the model writes what is learned" in report.render()
    write_split(tmp_path / "rows.parquet", records)
    assert read_split(tmp_path / "rows.parquet") == [replace(record) for record in records]


def test_rows_of_prompts_are_split_and_equal_prompts_stay_together(learn: Any) -> None:
    rows = [{"prompt": f"sum {i % 20}", "answer": i} for i in range(40)]
    splits = split_records(learn(rows).records, validation_ratio=0.25, test_ratio=0.25, seed=0)
    said = [{row.messages[-1]["content"] for row in part} for part in splits.as_dict().values()]
    assert [len(part) for part in said] == [10, 5, 5]
    assert len(set.union(*said)) == 20


def test_a_check_of_any_data_tells_prompts_from_forgotten_answers(learn: Any) -> None:
    answered = {"messages": [*ASK, {"role": "assistant", "content": "4"}]}
    assert not learn([{"messages": ASK}] * 3, None).problems
    (problem,) = learn([answered, {"messages": ASK}, answered], None).problems
    assert problem.got == "no assistant turn"
