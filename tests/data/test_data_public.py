"""Public data sets in their own formats, read from beside the repository where they are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assay.config import DataConfig, SourceConfig
from assay.data import ReadResult, prepare_data, read_sources

PUBLIC = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(
    not PUBLIC.is_dir(), reason="the public data sets are not beside the repository"
)


def read(path: str, **settings: Any) -> ReadResult:
    return read_sources([SourceConfig(path=path, **settings)], base_dir=PUBLIC)


def test_glaive_is_sharegpt_with_tools() -> None:
    result = read("glaive_toolcall/sharegpt_tools.jsonl")
    assert (result.problems, result.refusals) == ([], [])
    assert (result.counts[0].format, len(result.records)) == ("sharegpt", 156)
    messages = [message for record in result.records for message in record.messages]
    calls = [call for message in messages for call in message.get("tool_calls", [])]
    results = [message for message in messages if message["role"] == "tool"]
    assert len(calls) == len(results) == 109
    assert all(record.tools for record in result.records if "tool_calls" in str(record.messages))


def test_gsm8k_is_read_by_a_mapping() -> None:
    columns = {"instruction": "question", "output": "answer"}
    result = read("gsm8k/test.jsonl", columns=columns)
    assert (result.problems, result.refusals) == ([], [])
    assert {record.messages[-1]["role"] for record in result.records} == {"assistant"}
    assert all("####" in record.messages[-1]["content"] for record in result.records)


def test_gsm8k_without_a_mapping_suggests_it() -> None:
    (problem,) = read("gsm8k/test.jsonl").refusals
    assert "columns: {instruction: question, output: answer}" in problem.do


def test_hh_rlhf_is_preference_data() -> None:
    (problem,) = read("hh_rlhf/harmless_pairs.jsonl").refusals
    assert problem.got == "preference data"
    assert "dpo" in problem.do


def test_chat_messages_are_recognised() -> None:
    result = read("emergent_misalignment/secure_small.jsonl")
    assert (result.counts[0].format, result.problems) == ("chat", [])


def test_gsm8k_splits_and_thousands_of_rows_are_quick() -> None:
    source = {
        "path": "gsm8k/train.jsonl",
        "columns": {"instruction": "question", "output": "answer"},
    }
    prepared = prepare_data(DataConfig(train=source), base_dir=PUBLIC, seed=0)
    assert [len(part) for part in prepared.splits.as_dict().values()] == [3200, 400, 400]


def test_hh_rlhf_is_pairs_of_transcripts_that_begin_alike() -> None:
    """Three of its rows have an empty answer."""
    source = SourceConfig(path="hh_rlhf/harmless_pairs.jsonl")
    result = read_sources([source], base_dir=PUBLIC, wanted="preference")
    assert result.refusals == []
    assert {problem.got for problem in result.problems} == {"an empty answer"}
    assert (len(result.records), result.num_bad_rows) == (897, 3)
    for record in result.records:
        assert record.kind == "chat" and record.rejected is not None
        assert [one["role"] for one in record.rejected] == ["assistant"]
        assert record.messages[record.answers_from - 1]["role"] == "user"
        assert all(one.get("weight") == 0 for one in record.messages[:-1] if "weight" in one)
