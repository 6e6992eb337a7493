"""What a source can name: files, folders, URLs, Hub datasets; and what is said when it cannot."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pytest

from assay.config import SourceConfig
from assay.data import read_sources, read_split, write_split
from assay.data.columnar import find_commit, load_hub_dataset
from assay.data.convert import convert_row
from assay.data.records import Row, RowCheck
from assay.errors import DataError


def source(path: str, **settings: Any) -> SourceConfig:
    return SourceConfig(path=path, **settings)


def text_file(path: Path, *texts: str) -> None:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def texts_of(records: list[Any]) -> list[str]:
    return [record.messages[-1]["content"] for record in records]


def test_folder_is_read_in_name_order_without_hidden_and_unknown_files(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    text_file(folder / "b.jsonl", "2")
    (folder / "a.csv").write_text("text\n1\n")
    text_file(folder / ".hidden.jsonl", "no")
    (folder / "README.md").write_text("no")
    result = read_sources([source("rows")], base_dir=tmp_path)
    assert texts_of(result.records) == ["1", "2"]
    assert [name.rsplit("/", 1)[-1] for name in result.counts[0].files] == ["a.csv", "b.jsonl"]
    assert [Path(name).name for name in result.counts[0].skipped_files] == ["README.md"]


def test_url_of_any_file_system_is_read(tmp_path: Path) -> None:
    with fsspec.open("memory://bucket/rows/a.jsonl", "wb") as file:
        file.write(b'{"text": "x"}\n')
    for path in ("memory://bucket/rows/a.jsonl", "memory://bucket/rows"):
        result = read_sources([source(path)], base_dir=tmp_path)
        assert texts_of(result.records) == ["x"]
        assert result.records[0].file == "memory://bucket/rows/a.jsonl"


@pytest.mark.parametrize(
    ("path", "got"),
    [
        ("missing.jsonl", "no such file or folder"),
        ("here/missing", "no such file or folder"),
        ("empty", "a folder without readable files"),
        ("rows.xlsx", "a file ending in .xlsx"),
        ("blank.jsonl", "no rows"),
        ("nowhere://x/a.jsonl", "a URL that cannot be opened"),
        ("bad.parquet", "a Parquet file that cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, path: str, got: str) -> None:
    for name in ("here", "empty"):
        (tmp_path / name).mkdir()
    for name in ("rows.xlsx", "bad.parquet"):
        (tmp_path / name).write_bytes(b"not what it says")
    (tmp_path / "blank.jsonl").write_text("\n\n")
    result = read_sources([source(path)], base_dir=tmp_path)
    assert [problem.got.startswith(got) for problem in result.refusals] == [True]
    assert result.records == []


def test_a_missing_file_says_from_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "desk").mkdir()
    for folder, words in ((Path(), "the current folder"), (Path("desk"), "the recipe's folder, d")):
        (problem,) = read_sources([source("missing.jsonl")], base_dir=folder).refusals
        assert f"it is looked for from {words}" in problem.do


def test_refusals_of_all_sources_come_together(tmp_path: Path) -> None:
    text_file(tmp_path / "good.jsonl", "x")
    paths = ["no1.jsonl", "good.jsonl", "no2.jsonl"]
    result = read_sources([source(path) for path in paths], base_dir=tmp_path)
    assert [Path(problem.file).name for problem in result.refusals] == ["no1.jsonl", "no2.jsonl"]


def test_limit_reads_the_first_rows(tmp_path: Path) -> None:
    text_file(tmp_path / "a.jsonl", *map(str, range(100)))
    result = read_sources([source("a.jsonl", limit=40)], base_dir=tmp_path)
    assert texts_of(result.records) == [str(n) for n in range(40)]


def test_parquet_of_chats_drops_the_nulls_that_its_schema_adds(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    other = {"type": "object", "properties": {"b": {"type": "number"}}}
    tools = [
        {"type": "function", "function": {"name": "f", "parameters": schema}},
        {"type": "function", "function": {"name": "g", "parameters": other}},
    ]
    calls = [{"id": "x", "type": "function", "function": {"name": "f", "arguments": '{"a": null}'}}]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    table = pyarrow.Table.from_pylist([{"messages": messages, "tools": tools}])
    parquet.write_table(table, tmp_path / "rows.parquet")
    result = read_sources([source("rows.parquet")], base_dir=tmp_path)
    assert result.problems == []
    (record,) = result.records
    assert record.tools == tools
    assert record.messages == messages
    assert record.line == 1


def test_written_split_reads_back_equal_and_as_a_source(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": "é"}, {"role": "assistant", "content": "b"}]},
        {
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "no", "weight": 0, "reasoning_content": "r"},
                {"role": "user", "content": "again"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"name": "f", "arguments": {"x": None}}],
                },
            ],
            "tools": [{"name": "f", "parameters": {"type": "object", "default": None}}],
            "topic": ["t", 1],
        },
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    records = read_sources([source("a.jsonl")], base_dir=tmp_path).records
    write_split(tmp_path / "train.parquet", records)
    assert read_split(tmp_path / "train.parquet") == records
    again = read_sources([source("train.parquet")], base_dir=tmp_path)
    assert again.problems == []
    assert [record.messages for record in again.records] == [r.messages for r in records]


def test_cells_that_json_does_not_know_are_plain_from_the_first(tmp_path: Path) -> None:
    """The record, the split on disk and the items that a metric sees hold the same values."""
    import pyarrow
    from pyarrow import parquet

    noon = datetime(2024, 5, 1, 12, 30)
    cells = {
        "day": noon.date(),
        "at": noon,
        "price": Decimal("9.50"),
        "photo": b"\xff\x00",
        "score": float("nan"),
        "nested": {"days": [noon.date()], "took": timedelta(seconds=90), "none": None},
    }
    calls = [{"name": "book", "arguments": {"day": noon.date()}}]
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": calls}]
    row = {"messages": messages, "tools": [{"name": "book"}], **cells}
    table = pyarrow.Table.from_pylist([row])
    parquet.write_table(table, tmp_path / "rows.parquet")
    result = read_sources([source("rows.parquet")], base_dir=tmp_path)
    assert result.problems == []
    (record,) = result.records
    assert record.extra == {
        "day": "2024-05-01",
        "at": "2024-05-01T12:30:00",
        "price": "9.50",
        "photo": "/wA=",
        "score": None,
        "nested": {"days": ["2024-05-01"], "took": "0:01:30", "none": None},
    }
    assert json.loads(json.dumps(record.extra, allow_nan=False)) == record.extra
    (call,) = record.messages[-1]["tool_calls"]
    assert call["function"]["arguments"] == '{"day": "2024-05-01"}'
    write_split(tmp_path / "split.parquet", [record])
    assert read_split(tmp_path / "split.parquet") == [record]


def test_a_cell_without_a_json_form_is_a_located_problem() -> None:
    """What a Hub data set decodes, such as an image, has no text that would be the same again."""
    check = RowCheck(Row({"text": "a", "photo": {"image": object()}}, "owner/name[train]", 7, True))
    assert convert_row(check, "text", columns={}) is None
    (problem,) = check.problems
    assert (problem.line, problem.key) == (7, "photo")
    assert str(problem).endswith("do leave the column out")


def test_hub_dataset_is_read_by_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset folder loads by the same call as a Hub id, without a network."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "owner" / "name"
    folder.mkdir(parents=True)
    text_file(folder / "train.jsonl", "1", "2")
    text_file(folder / "test.jsonl", "3")
    dataset = load_hub_dataset(str(folder), revision=None, split="test", name=None)
    assert [(row.fields, row.line) for row in dataset.rows] == [({"text": "3"}, 1)]
    assert dataset.label == f"{folder}[test]"
    with pytest.raises(DataError, match="Unknown split"):
        load_hub_dataset(str(folder), revision=None, split="dev", name=None)


def test_commit_of_a_hub_dataset_is_found_in_its_urls() -> None:
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_dict({"text": ["x"]})
    assert find_commit(dataset) is None
    urls = [f"hf://datasets/owner/name@{'a' * 40}/data/train-{n}.parquet" for n in range(2)]
    dataset.info.download_checksums = {url: {"num_bytes": 1, "checksum": None} for url in urls}
    assert find_commit(dataset) == "a" * 40


def test_hub_id_that_cannot_be_reached_is_a_located_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    result = read_sources([source("no-such-owner/no-such-data")], base_dir=tmp_path)
    (problem,) = result.refusals
    assert problem.file == "no-such-owner/no-such-data[train]"
    assert problem.got.startswith("a dataset that cannot be loaded")


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (["train.jsonl", "test.jsonl"], "test.jsonl and train.jsonl"),
        (["rows.jsonl", "dev.jsonl"], "dev.jsonl and rows.jsonl"),
        (["gsm8k.train.jsonl", "gsm8k.test.jsonl"], "gsm8k.test.jsonl and gsm8k.train.jsonl"),
        (["validation.jsonl", "my_eval.jsonl", "test-00000-of-00001.jsonl"], "my_eval.jsonl and"),
        (["test-00000-of-00002.jsonl", "test-00001-of-00002.jsonl"], None),
        (["train.jsonl", "more.jsonl", "latest.jsonl", "contest.jsonl", "2024.jsonl"], None),
        (["train.jsonl", "test.md"], None),
    ],
)
def test_folder_that_holds_several_splits_is_refused(
    tmp_path: Path, names: list[str], refused: str | None
) -> None:
    (tmp_path / "rows").mkdir()
    for name in names:
        text_file(tmp_path / "rows" / name, name)
    result = read_sources([source("rows")], base_dir=tmp_path)
    if refused is None:
        assert result.refusals == []
        return
    (problem,) = result.refusals
    assert refused in problem.got
    assert problem.file.endswith("rows") and "name the files" in problem.do
