"""What is known of a recipe before anything is loaded; a dry run and a run say the same."""

import json
from pathlib import Path

import pytest

from assay.cli import main
from assay.config import load
from assay.errors import EXIT_USAGE, ConfigError
from assay.models.base import find_base
from assay.pipeline import PlainProgress, run_recipe
from assay.pipeline.check import load_checked
from assay.pipeline.run import _refuse_long_sequences
from assay.runs import RunFolder, list_runs

RECIPE = "base: tiny\ndata:\n  train: rows.jsonl\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def find_lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The error of a dry run, which must be that of a run."""
    errors = []
    for more in (["--dry-run"], []):
        assert main(["run", "recipe.yaml", *arguments, *more]) == EXIT_USAGE
        errors.append(capsys.readouterr().err)
    assert errors[0] == errors[1]
    return errors[0].splitlines()


def test_a_typo_and_a_broken_policy_are_told_together(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "ours.yaml").write_text("gates:\n  retension: required\n", encoding="utf-8")
    text = RECIPE + "gates: ours.yaml\ntrain: {epoch: 2}\n"
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    lines = find_lines(capsys)
    assert lines[0].startswith("recipe.yaml:5:9 train.epoch: got unknown key")
    assert lines[1].startswith("ours.yaml:2:3 gates.retension: got an unknown name")
    assert lines[2:] == ["2 problems"]


def test_a_policy_that_is_not_there_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = find_lines(capsys, "gates=ours.yaml")
    assert "'ours.yaml', where no file is" in line


def test_a_tracker_that_is_not_installed_is_told_by_both(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.pipeline.installed.find_spec", lambda name: None)
    (line,) = find_lines(capsys, "trackers=wandb")
    assert line.startswith("override trackers=wandb: got wandb, which is not installed")
    assert line.endswith("do pip install wandb, or leave it out")


def test_a_length_beyond_the_context_is_refused_and_not_cut(
    capsys: pytest.CaptureFixture[str], small_base: Path
) -> None:
    (line,) = find_lines(capsys, "data.max_seq_len=4096")
    assert line.startswith("override data.max_seq_len=4096: got 4096, allowed at most 2048")
    (line,) = find_lines(capsys, f"base={small_base}", "data.max_seq_len=513")
    assert "allowed at most 512" in line
    assert load_checked("recipe.yaml", ["data.max_seq_len=2048"]).recipe.data.max_seq_len == 2048


def test_a_base_that_is_only_known_later_refuses_it_too(small_base: Path) -> None:
    loaded = load("recipe.yaml", [f"base={small_base}", "data.max_seq_len=4096"])
    run = RunFolder.create("runs", "r", RECIPE)
    with pytest.raises(ConfigError, match="allowed at most 512"):
        _refuse_long_sequences(loaded, run, find_base(str(small_base)).context_len)
    assert [summary.status for summary in list_runs("runs")] == ["refused"]


def test_no_rows_to_test_on_is_told_before_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = find_lines(capsys, "data.test_ratio=0")
    assert line.startswith("override data.test_ratio=0: got no rows to test on")


@pytest.mark.parametrize("output", ["recipe.yaml", "recipe.yaml/runs"])
def test_runs_cannot_be_written_into_a_file(
    output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = find_lines(capsys, f"output={output}")
    assert line.startswith(f"override output={output}: got '{output}', where no run can be written")


def test_an_output_that_cannot_be_made_is_the_users_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object, **named: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/proc/x")

    monkeypatch.setattr(RunFolder, "create", fail)
    with pytest.raises(ConfigError) as caught:
        run_recipe("recipe.yaml", ["output=elsewhere"])
    (problem,) = caught.value.problems
    assert problem.file == "override output=elsewhere"
    assert problem.got == ("'elsewhere', where no run can be written (No such file or directory)")


def test_settings_of_training_rows_are_refused_on_held_out_rows(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "held.jsonl").write_text(json.dumps({"text": "b"}) + "\n", encoding="utf-8")
    more = ["data.test={path: held.jsonl, weight: 2, role: extra}"]
    lines = find_lines(capsys, *more)
    assert [line.split(": got ")[0].rsplit(" ", 1)[-1] for line in lines[:2]] == [
        "data.test.weight",
        "data.test.role",
    ]


def test_an_interrupted_data_stage_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    lines: list[str] = []
    progress = PlainProgress()
    monkeypatch.setattr(progress, "note", lines.append)
    monkeypatch.setattr("assay.pipeline.prepare.prepare", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_recipe("recipe.yaml", progress=progress)
    (summary,) = list_runs("runs")
    assert summary.status == "unfinished"
    assert lines[-1] == f"interrupted; go on with: assay run --resume {summary.path}"
