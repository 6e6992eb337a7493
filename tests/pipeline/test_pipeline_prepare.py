"""The data stage: every problem in one report, what is left out counted as such, and its notes."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.config import load
from assay.errors import ConfigError, DataError, Problem
from assay.models.base import find_base
from assay.pipeline import PlainProgress
from assay.pipeline.check import load_checked
from assay.pipeline.job import Job
from assay.pipeline.prepare import Prepared, prepare
from assay.runs import RunFolder, read_json

CONTEXT = 512
LONG = "word " * 2 * CONTEXT


class Notes(PlainProgress):
    """Keeps what a person would read."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def chat(number: int, *, long: bool = False, **more: Any) -> dict[str, Any]:
    question = f"Question {number}? {LONG if long else ''}"
    turns = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": f"Answer {number}."},
    ]
    return {"messages": turns, **more}


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


class Stage:
    """A recipe beside its files, and the stage on it."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder, self.base, self.notes = folder, base, Notes()

    def run(self, rows: list[Any], data: str = "", rest: str = "") -> Prepared:
        write(self.folder / "rows.jsonl", rows)
        recipe = self.folder / "recipe.yaml"
        text = f"base: {self.base}\ndata:\n  train: rows.jsonl\n{data}\n{rest}\n"
        recipe.write_text(text, encoding="utf-8")
        loaded = load(recipe)
        self.folder_of_run = RunFolder.create(self.folder / "runs", "r", text)
        base = find_base(str(self.base))
        job = Job(loaded.recipe, self.folder, self.folder_of_run, base, self.notes)
        return prepare(job)

    def refusals(self, rows: list[Any], data: str = "", rest: str = "") -> list[Problem]:
        with pytest.raises(DataError) as caught:
            self.run(rows, data, rest)
        stored = read_json(self.folder_of_run.data_report)["refused"]
        assert len(stored) == len(caught.value.problems)
        return caught.value.problems


@pytest.fixture
def stage(tmp_path: Path, small_base: Path) -> Stage:
    return Stage(tmp_path, small_base)


def places(problems: list[Problem]) -> list[tuple[str, int | None]]:
    return [(Path(problem.file).name, problem.line) for problem in problems]


def test_rows_that_are_too_long_are_told_of_all_splits_at_once(stage: Stage) -> None:
    rows = [chat(n, long=n % 2 == 0) for n in range(34)]
    write(stage.folder / "held.jsonl", [chat(100), chat(101, long=True)])
    data = "  validation: held.jsonl\n  test_ratio: 0.3"
    found = places(stage.refusals(rows, data))
    assert found == [("rows.jsonl", n + 1) for n in range(0, 34, 2)] + [("held.jsonl", 2)]


def test_bad_rows_long_rows_and_rows_of_suites_come_out_together(stage: Stage) -> None:
    rows: list[Any] = [chat(n, long=n == 3) for n in range(20)]
    rows[7] = {"messages": [{"role": "user", "content": "no answer"}]}
    suite = [{"prompt": "2 + 2?", "answer": "4"}, {"promt": "?"}]
    write(stage.folder / "general.jsonl", suite)
    found = stage.refusals(rows, rest="evaluate: {suites: general.jsonl}")
    assert set(places(found)) == {("rows.jsonl", 4), ("rows.jsonl", 8), ("general.jsonl", 2)}
    assert [place for place in places(found) if place[0] == "rows.jsonl"] == [
        ("rows.jsonl", 4),
        ("rows.jsonl", 8),
    ]


def test_rows_of_a_test_file_may_be_longer_than_what_is_trained(stage: Stage) -> None:
    write(stage.folder / "held.jsonl", [chat(100), chat(101, long=True)])
    prepared = stage.run([chat(n) for n in range(20)], "  test: held.jsonl")
    assert len(prepared.test) == 2


def test_rows_that_are_left_out_are_not_counted_as_trained(stage: Stage) -> None:
    rows = [chat(n, long=n % 3 == 0) for n in range(30)]
    data = "  on_too_long: drop\n  accept: [truncated_rows]\n  test_ratio: 0.2"
    prepared = stage.run(rows, data)
    trained = {sequence.record_id for sequence in prepared.train_sequences}
    assert {record.id for record in prepared.train} == trained
    report = read_json(stage.folder_of_run.data_report)
    assert report["splits"]["train"]["num_records"] == len(trained) < 21
    left_out = report["masks"]["train"]["num_dropped"]["too_long"]
    line = f"train: {len(trained)} rows, {left_out} left out (see the mask report)"
    assert line in stage.notes.lines


def test_calls_of_tools_that_are_not_offered_are_told_in_one_note(stage: Stage) -> None:
    call = {"function": {"name": "find", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    rows: list[Any] = [chat(n) for n in range(20)]
    for number in (2, 5, 9):
        rows[number]["messages"][1] = {"role": "assistant", "tool_calls": [call]}
    rows[9]["tools"] = [tool]
    prepared = stage.run(rows, "  test_ratio: 0.05\n  validation_ratio: 0")
    calling = [
        record
        for record in prepared.train
        if record.messages[1].get("tool_calls") and not record.tools
    ]
    (note,) = (line for line in stage.notes.lines if line.startswith("rows that call tools"))
    assert f": {len(calling)} (first: {calling[0].place})" in note
    assert "`tools`" in note


def test_a_prompt_of_the_baseline_that_no_row_can_take_is_refused(stage: Stage) -> None:
    rows = [{"prompt": f"{n} + 1 =", "completion": f" {n + 1}"} for n in range(30)]
    (problem,) = stage.refusals(rows, rest="evaluate: {prompt: hello}")
    assert problem.key == "evaluate.prompt"
    assert stage.run([chat(n) for n in range(30)], rest="evaluate: {prompt: hello}").test


def test_half_of_the_rows_trained_leaves_the_held_out_rows(stage: Stage) -> None:
    data = "  validation_ratio: 0.1\n  test_ratio: 0.2"
    rows = [chat(n) for n in range(40)]
    whole = stage.run(rows, data)
    recipe = load(stage.folder / "recipe.yaml", ["data.train.0.weight=0.5"])
    run = RunFolder.create(stage.folder / "runs", "half", "")
    job = Job(recipe.recipe, stage.folder, run, find_base(str(stage.base)), stage.notes)
    half = prepare(job)
    assert (len(half.train), len(whole.train)) == (14, 28)
    assert [r.id for r in half.test] == [r.id for r in whole.test]
    assert [r.id for r in half.validation] == [r.id for r in whole.validation]


def test_tokens_come_from_the_cache_and_are_the_same(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.data.render_rows.MIN_CACHED_CHARS", 1)
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    rows = [chat(n, long=n == 3) for n in range(20)]
    rest = "  on_too_long: drop\n  accept: [truncated_rows]"
    first = stage.run(rows, rest)
    report = read_json(stage.folder_of_run.data_report)
    assert not any("cache" in line for line in stage.notes.lines)
    assert stage.run(rows, rest) == first
    assert read_json(stage.folder_of_run.data_report) == report
    assert f"tokens of 20 of 20 rows taken from {tmp_path / 'cache' / 'tokens'}" in (
        stage.notes.lines
    )


def test_of_very_many_rows_those_within_reach_are_rendered_and_counted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.data.reach.MIN_ROWS", 200)
    rows, few = [chat(n) for n in range(300)], "train: {max_steps: 2, batch_size: 4}"
    prepared = stage.run(rows, rest=few)
    assert len(prepared.train) == len(prepared.train_sequences) == 10 + 64
    assert len(prepared.validation) == len(prepared.test) == 30
    report = read_json(stage.folder_of_run.data_report)
    assert report["splits"]["train"]["num_records"] == report["masks"]["train"]["num_rows"] == 74
    assert report["num_unreached_rows"] == 240 - 74
    assert any(
        line.startswith("train: 74 of 240 rows are within reach") for line in (stage.notes.lines)
    )
    assert stage.run(rows, rest=few).train == prepared.train
    for rest in ("train: {max_steps: 40, batch_size: 4}", f"{few}\nsweep: {{seed: [1, 2]}}"):
        assert len(stage.run(rows, rest=rest).train) == 240
        assert read_json(stage.folder_of_run.data_report)["num_unreached_rows"] == 0


COPIES = [chat(0), *(chat(n) for n in range(30)), chat(0)]


def test_an_error_of_a_rule_stops_the_run_unless_it_is_accepted_or_mended(stage: Stage) -> None:
    held_out = "  validation_ratio: 0\n  test_ratio: 0.2\n  group_by: kind"
    rows = [{**row, "kind": f"k{n % 5}"} for n, row in enumerate(COPIES)]
    loud = f"{held_out}\n  rules: {{exact_duplicate: error, leaked_row: off}}"
    rows = [{**row, "kind": "same"} if "0?" in str(row) else row for row in rows]
    with pytest.raises(DataError) as caught:
        stage.run(rows, loud)
    assert all(one.got.startswith("exact_duplicate: ") for one in caught.value.problems)
    assert {one.line for one in caught.value.problems} == {2, 32}
    stage.run(rows, f"{loud}\n  accept: [exact_duplicate]")
    findings = read_json(stage.folder_of_run.data_report)["findings"]
    assert findings["accepted"] == {"exact_duplicate": {"findings": 2, "rows": 2}}
    assert (stage.folder_of_run.data / findings["file"]).read_text().count("exact_duplicate") == 2
    mended = stage.run(rows, f"{held_out}\n  rules: {{exact_duplicate: drop}}")
    assert read_json(stage.folder_of_run.data_report)["findings"]["num_changed_rows"] == 2
    assert len(mended.train) + len(mended.test) == 30


def test_named_actions_mend_rows_before_they_are_rendered(stage: Stage) -> None:
    rows = [chat(n) for n in range(30)]
    rows[4]["messages"][1]["content"] = "In the cafÃ©, as always."
    prepared = stage.run(rows, "  rules: {mojibake: repair}")
    kept = [
        record for part in (prepared.train, prepared.validation, prepared.test) for record in part
    ]
    answers = {record.line: record.messages[1]["content"] for record in kept}
    assert answers[5] == "In the café, as always."
    assert len(kept) == 30


def test_a_run_keeps_a_page_on_its_data_without_what_is_masked(stage: Stage) -> None:
    rows = [chat(number) for number in range(30)]
    rows[4]["messages"][1]["content"] = "It lies at 17 Nowhere Lane."
    stage.run(rows, "  rules: {street_address: mask}")
    page = (stage.folder_of_run.data / "report.html").read_text(encoding="utf-8")
    assert "<h1>Warnings</h1>" in page
    assert "[ADDRESS_1]" in page
    assert "Nowhere" not in page


def test_a_row_that_its_source_repeats_is_checked_once_and_mended_each_time(stage: Stage) -> None:
    rows = [chat(n) for n in range(30)]
    rows[4]["messages"][1]["content"] = "In the cafÃ©, as always."
    data = "  validation: held.jsonl\n  test: last.jsonl\n  rules: {mojibake: repair}"
    write(stage.folder / "held.jsonl", [chat(100), chat(101)])
    write(stage.folder / "last.jsonl", [chat(102), chat(103)])
    prepared = stage.run(rows, data)
    assert read_json(stage.folder_of_run.data_report)["findings"]["num_changed_rows"] == 1
    path = stage.folder / "recipe.yaml"
    text = path.read_text().replace("train: rows.jsonl", "train: {path: rows.jsonl, weight: 3}")
    path.write_text(text)
    run = RunFolder.create(stage.folder / "runs", "thrice", text)
    prepared = prepare(
        Job(load(path).recipe, stage.folder, run, find_base(str(stage.base)), stage.notes)
    )
    answers = [one.messages[1]["content"] for one in prepared.train if one.line == 5]
    assert answers == ["In the café, as always."] * 3
    assert read_json(run.data_report)["findings"]["num_changed_rows"] == 1


@pytest.mark.parametrize("action", ["keep", "mask", "repair", "relabel"])
def test_an_action_that_mends_nothing_lets_no_error_stand(stage: Stage, action: str) -> None:
    rows = [{**row, "kind": "same" if "0?" in str(row) else str(n)} for n, row in enumerate(COPIES)]
    rule = f"{{severity: error, action: {action}}}"
    with pytest.raises(DataError) as caught:
        stage.run(rows, f"  group_by: kind\n  rules: {{leaked_row: off, exact_duplicate: {rule}}}")
    assert any(one.got.startswith("exact_duplicate: ") for one in caught.value.problems)


def test_a_rule_that_there_is_not_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", [chat(0)])
    recipe = tmp_path / "recipe.yaml"
    rules = "{exact_duplicates: off, exact_duplicate: {often: 2}}"
    recipe.write_text(f"base: tiny\ndata:\n  train: rows.jsonl\n  rules: {rules}\n")
    with pytest.raises(ConfigError) as caught:
        load_checked(recipe)
    found = [(one.line, one.key) for one in caught.value.problems]
    assert found == [
        (4, "data.rules.exact_duplicates"),
        (4, "data.rules.exact_duplicate.often"),
    ]
