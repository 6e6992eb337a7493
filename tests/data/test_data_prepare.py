"""The data section as a whole: all mistakes of all files at once, leaks, and the report on disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.config import DataConfig
from assay.data import (
    Record,
    Splits,
    mask_report,
    prepare_data,
    read_split,
    render_problems,
    to_prompt,
    tokenize,
    write_data,
    write_refusal,
)
from assay.data.leak import find_leaks
from assay.errors import DataError, Problem


def chat(question: str, answer: str, *, system: str | None = None, **more: Any) -> dict[str, Any]:
    lead = [{"role": "system", "content": system}] if system else []
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": lead + turns, **more}


def write(path: Path, rows: list[Any]) -> None:
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def config(**settings: Any) -> DataConfig:
    return DataConfig(**{"train": "train.jsonl", **settings})


def refusal(tmp_path: Path, **settings: Any) -> list[Problem]:
    with pytest.raises(DataError) as caught:
        prepare_data(config(**settings), base_dir=tmp_path, seed=0)
    return caught.value.problems


def test_every_kind_of_bad_row_and_a_duplicate_across_splits_are_located(tmp_path: Path) -> None:
    rows: list[Any] = [chat(f"q{n}", f"a{n}") for n in range(10)]
    rows[2] = b'{"messages": [{"role": "user", "content": "q2"}'
    rows[4] = {"messages": [{"content": "q4"}, {"role": "assistant", "content": "a4"}]}
    rows[5] = chat("q5", "")
    rows[7] = b'{"messages": "\xe9"}'
    write(tmp_path / "train.jsonl", rows)
    write(tmp_path / "held.jsonl", [chat("new", "new"), chat("q8", "a8")])
    problems = refusal(tmp_path, validation="held.jsonl", test_ratio=0)
    found = [(Path(problem.file).name, problem.line, problem.key) for problem in problems]
    assert found == [
        ("train.jsonl", 3, ""),
        ("train.jsonl", 5, "messages[0].role"),
        ("train.jsonl", 6, "messages[1].content"),
        ("train.jsonl", 8, ""),
        ("held.jsonl", 2, "data.validation"),
    ]
    words = ["broken JSON", "no role", "an empty answer", "byte 0xe9", "train.jsonl:9 (train)"]
    assert [word in problem.got for word, problem in zip(words, problems, strict=True)] == [
        True
    ] * 5
    assert all(problem.allowed and problem.do for problem in problems)


def test_duplicate_across_groups_of_one_file_is_a_leak(tmp_path: Path) -> None:
    rows = [chat(f"q{n % 10}", "a", who=str(n)) for n in range(20)]
    write(tmp_path / "train.jsonl", rows)
    problems = refusal(tmp_path, group_by="who", test_ratio=0.5, validation_ratio=0)
    assert {problem.key for problem in problems} == {"data.test"}
    dropped = prepare_data(
        config(group_by="who", test_ratio=0.5, validation_ratio=0, rules={"leaked_row": "drop"}),
        base_dir=tmp_path,
        seed=0,
    )
    trained = {to_prompt(record).messages[0]["content"] for record in dropped.splits.train}
    tested = {to_prompt(record).messages[0]["content"] for record in dropped.splits.test}
    assert len(dropped.splits.test) == 10
    assert trained and not trained & tested
    assert len(dropped.splits.train) + len({id(leak.record) for leak in dropped.leaks}) == 10


@pytest.mark.parametrize(
    ("held_out", "same"),
    [
        (chat("q1", "a1"), "messages"),
        (chat(" q1\r\n", "a1 "), "messages"),
        (chat("q1", "a1", system="Be kind."), "prompt and answer"),
        (chat("first", "turn"), "prompt and answer"),
        ({"prompt": "q1", "completion": "a1"}, "messages"),
        (chat("q1", "other"), None),
        (chat("Q1", "a1"), None),
    ],
)
def test_what_counts_as_the_same_row(tmp_path: Path, held_out: Any, same: str | None) -> None:
    long = chat("first", "turn")["messages"] + chat("second", "end")["messages"]
    write(tmp_path / "train.jsonl", [chat("q0", "a0"), chat("q1", "a1"), {"messages": long}])
    write(tmp_path / "test.jsonl", [held_out])
    settings = {"test": "test.jsonl", "validation_ratio": 0}
    if same is None:
        prepared = prepare_data(config(**settings), base_dir=tmp_path, seed=0)
        assert prepared.leaks == []
        shared = held_out["messages"][0]["content"] == "q1"
        assert prepared.shared_prompts["test"] == int(shared)
    else:
        (problem,) = refusal(tmp_path, **settings)
        assert problem.got.startswith(f"the same {same} as ")


def test_leak_between_given_validation_and_test_is_dropped_from_validation(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [chat("q", "a")])
    write(tmp_path / "val.jsonl", [chat("v", "a"), chat("t", "a")])
    write(tmp_path / "test.jsonl", [chat("t", "a")])
    settings = {"validation": "val.jsonl", "test": "test.jsonl"}
    (problem,) = refusal(tmp_path, **settings)
    assert "val.jsonl:2 (validation)" in problem.got
    prepared = prepare_data(
        config(**settings, rules={"leaked_row": "drop"}), base_dir=tmp_path, seed=0
    )
    assert [len(part) for part in prepared.splits.as_dict().values()] == [1, 1, 1]


def test_dropping_every_row_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [chat("q", "a")])
    write(tmp_path / "test.jsonl", [chat("q", "a")])
    settings = {"test": "test.jsonl", "validation_ratio": 0, "rules": {"leaked_row": "drop"}}
    (problem,) = refusal(tmp_path, **settings)
    assert (problem.key, problem.got) == ("data.train", "no usable row after dropping leaks")


def test_dropped_rows_are_counted_and_stored(tmp_path: Path) -> None:
    rows: list[Any] = [chat(f"q{n}", f"a{n}") for n in range(20)]
    rows[3], rows[9] = b"{", chat("q9", "")
    write(tmp_path / "train.jsonl", rows)
    prepared = prepare_data(config(on_bad_rows="drop"), base_dir=tmp_path, seed=0)
    assert [len(part) for part in prepared.splits.as_dict().values()] == [14, 2, 2]
    report = write_data(tmp_path / "data", prepared)
    assert report["num_dropped_rows"] == 2
    assert [problem["line"] for problem in report["dropped_rows"]] == [4, 10]


def test_file_problems_are_never_dropped(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [chat(f"q{n}", "a") for n in range(20)])
    sources = ["train.jsonl", "missing.jsonl"]
    (problem,) = refusal(tmp_path, train=sources, on_bad_rows="drop")
    assert problem.file.endswith("missing.jsonl")


def test_weights_shape_training_and_leave_held_out_rows_single(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [chat(f"q{n}", "a") for n in range(20)])
    write(tmp_path / "more.jsonl", [chat(f"m{n}", "a") for n in range(40)])
    sources = [{"path": "train.jsonl", "weight": 3}, {"path": "more.jsonl", "weight": 0.5}]
    prepared = prepare_data(config(train=sources), base_dir=tmp_path, seed=0)
    held_out = prepared.splits.validation + prepared.splits.test
    assert len({record.id for record in held_out}) == len(held_out) == 12
    trained = [record.source for record in prepared.splits.train]
    kept = [record.source for record in held_out].count("train.jsonl")
    assert trained.count("train.jsonl") == 3 * (20 - kept)
    assert trained.count("more.jsonl") == round((40 - (12 - kept)) / 2)


def test_weights_do_not_change_which_rows_are_held_out(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [chat(f"q{n}", "a") for n in range(40)])
    parts = []
    for weight in (0.5, 1, 2):
        sources = [{"path": "train.jsonl", "weight": weight}]
        splits = prepare_data(config(train=sources), base_dir=tmp_path, seed=0).splits
        parts.append([[record.id for record in part] for part in (splits.validation, splits.test)])
        assert len(splits.train) == 32 * weight
    assert parts[0] == parts[1] == parts[2]
    assert [len(part) for part in parts[0]] == [4, 4]


def test_a_weight_that_leaves_no_row_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [chat(f"q{n}", "a") for n in range(10)])
    (problem,) = refusal(tmp_path, train=[{"path": "train.jsonl", "weight": 0.01}])
    assert problem.key == "data.train"
    assert problem.got.startswith("no usable row: the weights")


def test_report_and_splits_on_disk_say_the_same(tmp_path: Path, tokenizer: Any) -> None:
    write(tmp_path / "train.jsonl", [chat(f"q{n}", f"a{n}", topic="t") for n in range(20)])
    prepared = prepare_data(config(), base_dir=tmp_path, seed=7)
    tokens = tokenize(prepared.splits.train, tokenizer, max_seq_len=64, on_too_long="refuse")
    write_data(tmp_path / "data", prepared, {"train": mask_report(tokens)})
    report = json.loads((tmp_path / "data" / "report.json").read_text())
    assert report["splits"]["train"]["num_records"] == 16
    assert report["sources"]["train"][0]["format"] == "chat"
    assert report["sources"]["train"][0]["other_columns"] == ["topic"]
    assert report["masks"]["train"]["num_rows"] == 16
    for name, part in prepared.splits.as_dict().items():
        assert read_split(tmp_path / "data" / f"{name}.parquet") == part


def test_hashes_name_content_and_not_order_or_place(tmp_path: Path) -> None:
    rows = [chat(f"q{n}", f"a{n}") for n in range(20)]
    hashes = []
    for name, given in (
        ("one", rows),
        ("two", rows[::-1]),
        ("three", [*rows[:19], chat("x", "y")]),
    ):
        folder = tmp_path / name
        folder.mkdir()
        write(folder / "train.jsonl", given)
        prepared = prepare_data(config(), base_dir=folder, seed=0)
        report = write_data(folder / "data", prepared)
        hashes.append([report["splits"][split]["sha256"] for split in ("train", "test")])
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


def test_refused_data_leaves_every_problem_in_the_report(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [chat("q", "a"), *([chat("q", "")] * 99)])
    problems = refusal(tmp_path)
    write_refusal(tmp_path / "data", problems)
    stored = json.loads((tmp_path / "data" / "report.json").read_text())
    assert len(stored["refused"]) == len(problems) == 99
    lines = render_problems(problems, limit=10).splitlines()
    assert len(lines) == 11
    assert lines[-1].startswith("… 89 more problems in ")


def test_prompt_of_a_record_has_no_answer_and_no_weights(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "weight": 0},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d", "weight": 1},
    ]
    write(tmp_path / "train.jsonl", [{"messages": messages}])
    settings = {"validation_ratio": 0, "test_ratio": 0}
    prepared = prepare_data(config(**settings), base_dir=tmp_path, seed=0)
    prompt, reference = to_prompt(prepared.splits.train[0])
    assert prompt == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    assert reference == {"role": "assistant", "content": "d"}


def test_a_group_in_two_given_files_is_a_leak(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [chat(f"q{n}", "a", who=f"customer {n}") for n in range(6)])
    held_out = [chat("t1", "a", who="customer 2"), chat("t2", "a", who="customer 9")]
    write(tmp_path / "test.jsonl", held_out)
    settings = {"test": "test.jsonl", "validation_ratio": 0, "group_by": "who"}
    (problem,) = refusal(tmp_path, **settings)
    assert (problem.key, problem.line) == ("data.test", 1)
    assert problem.got.startswith("the same group 'customer 2' as ")
    assert problem.got.endswith("train.jsonl:3 (train)")
    prepared = prepare_data(
        config(**settings, rules={"leaked_row": "drop"}), base_dir=tmp_path, seed=0
    )
    trained = {record.group for record in prepared.splits.train}
    assert trained == {f"customer {n}" for n in (0, 1, 3, 4, 5)}
    assert len(prepared.splits.test) == 2


def test_rows_that_stand_often_on_both_sides_are_compared_in_one_pass(
    chat: Callable[..., Record],
) -> None:
    def rows(file: str) -> list[Record]:
        return [chat("q", "a", line=line, file=file) for line in range(1, 3001)]

    splits = Splits(train=rows("train.jsonl"), validation=[], test=rows("test.jsonl"))
    began = time.process_time()
    leaks = find_leaks(splits)
    assert time.process_time() - began < 3  # every pair would be nine million
    assert {leak.record.line for leak in leaks} == set(range(1, 3001))
    assert {leak.held_out.line for leak in leaks} == set(range(1, 3001))
    assert len(leaks) < 6000
