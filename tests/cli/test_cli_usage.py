"""Wrong usage of the command: help as it is, located sentences, paths that cannot be written."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import assay
from assay.cli import main
from assay.cli.output import check_out_file, print_error
from assay.errors import (
    EXIT_CANCELLED,
    EXIT_HELD,
    EXIT_OK,
    EXIT_USAGE,
    DataError,
    Problem,
    UsageError,
)
from assay.runs import RunFolder, write_bytes, write_json


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def make_run(name: str, *, status: str = "released") -> RunFolder:
    run = RunFolder.create("runs", name, "base: tiny\n")
    gate = {"name": "refusal", "outcome": "fail", "required": True, "reason": "All lost."}
    gates = [] if status == "released" else [gate]
    write_json(run.verdict, {"status": status, "headline": "So it is.", "gates": gates})
    write_json(run.evaluation, {"suites": {}})
    write_bytes(run.adapter / "adapter_model.safetensors", b"weights")
    return run


def find_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments]) == EXIT_USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "bug of ours" not in captured.err
    return captured.err


def test_the_command_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == EXIT_OK
    captured = capsys.readouterr()
    assert captured.out.startswith("Usage: assay [OPTIONS] COMMAND")
    assert captured.err == ""


@pytest.mark.parametrize("group", ["release", "lab", "config"])
def test_a_group_without_its_verb_prints_its_help(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find_error(capsys, group).startswith(f"Usage: assay {group} [OPTIONS] COMMAND")


def test_values_are_quoted_once(capsys: pytest.CaptureFixture[str]) -> None:
    error = find_error(capsys, "export", "e1", "--to", "gguf", "--dtype", "fp8")
    assert error.splitlines() == [
        "--to: got gguf, allowed merged, do choose one",
        "--dtype: got fp8, allowed fp32, bf16, int8, nf4, fp4, do choose one",
        "2 problems",
    ]
    assert "got unexpected extra argument" in find_error(capsys, "runs", "show", "e1", "x")
    assert "got got" not in find_error(capsys, "runs", "show", "e1", "x")


def test_an_override_of_a_list_entry_keeps_its_index(capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    Path("r.yaml").write_text("base: tiny\ndata: {train: rows.jsonl}\n", encoding="utf-8")
    error = find_error(capsys, "run", "r.yaml", "--dry-run", "data.train.0.weight=-1")
    assert error.startswith("override data.train.0.weight=-1: got -1, allowed a number above 0")


def test_init_where_nothing_can_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any, **named: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "mkdir", fail)
    error = find_error(capsys, "init", "desk")
    assert error.startswith("desk: got a folder that cannot be written (No such file")


def test_an_output_file_is_checked_before_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    Path("desk").mkdir()
    rows = Path("rows.jsonl")
    rows.write_text('{"text": "a"}\n', encoding="utf-8")
    error = find_error(capsys, "eval", "nobody", str(rows), "--out", "desk")
    assert error.startswith("--out: got 'desk', which is a folder, allowed a file")
    with pytest.raises(UsageError, match="whose folder is not there"):
        check_out_file("none/items.jsonl")
    check_out_file("desk/items.jsonl")
    check_out_file(None)


def test_an_export_that_cannot_be_made_is_refused_before_the_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_run("desk")
    Path("file").write_text("", encoding="utf-8")
    error = find_error(capsys, "export", "desk", "--to", "merged", "--out", "file/q")
    assert error.startswith("--out: got 'file/q', which cannot be made (")


def test_a_run_that_was_released_by_override_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    make_run("desk", status="held")
    assert main(["release", "desk"]) == EXIT_HELD
    assert main(["release", "desk", "--override", "For the trial."]) == EXIT_OK
    error = find_error(capsys, "release", "desk")
    assert "already released, by override on " in error
    assert "(For the trial.)" in error
    assert main(["release", "desk", "--override", "Again."]) == EXIT_OK


def test_a_release_is_verified_by_name_and_a_missing_one_is_a_slip(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = make_run("desk")
    assert main(["release", "desk"]) == EXIT_OK
    assert main(["release", "verify", "desk"]) == EXIT_OK
    assert f"verified  {run.path}" in capsys.readouterr().out
    run.path.rename("elsewhere")
    assert main(["release", "verify", "elsewhere"]) == EXIT_OK
    assert find_error(capsys, "release", "verify", "/nope").startswith("/nope: no run under")
    error = find_error(capsys, "release", "verify", "elsewhere", "--key", "/nope")
    assert error.startswith("--key: got '/nope', where no file is")
    Path("empty").mkdir()
    assert main(["release", "verify", "empty"]) == EXIT_HELD


def test_a_message_beyond_the_context_is_the_users_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = SimpleNamespace(tokenizer=None, context_len=8)
    subject = SimpleNamespace(name="tiny", base=base, engine=None, system=None)
    monkeypatch.setattr("assay.pipeline.subject.load_subject", lambda *a, **b: subject)
    monkeypatch.setattr("assay.chat.render_prompt", lambda *a, **b: [1] * 8)
    error = find_error(capsys, "chat", "tiny", "-m", "long")
    assert error == (
        "--message: got a conversation of 8 tokens, allowed fewer than the 8 of the model's "
        "context, do shorten the message, or begin a new conversation\n"
    )


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_is_told_in_one_line() -> None:
    code = (
        "import sys, time, assay.cli.config_verbs as verbs\n"
        "from assay.cli import main\n"
        "def schema(as_json: bool = False) -> None:\n"
        "    print('ready', flush=True); time.sleep(60)\n"
        "verbs.schema = schema\n"
        "sys.exit(main(['config', 'schema']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(assay.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == EXIT_CANCELLED
        assert process.stderr.read() == "cancelled\n"


def test_a_measurement_of_a_build_keeps_its_card(monkeypatch, tmp_path):
    from assay.cli import lab_verbs
    from assay.lab.card import load_card
    from assay.models.base import tiny_folder

    card = load_card(tiny_folder() / "card.json")
    asked = []

    def measure(model, **options):
        asked.append(model)
        return card

    monkeypatch.setattr(lab_verbs, "_measure", measure)
    assert main(["lab", "measure", str(tmp_path)]) == 0
    assert load_card(tmp_path / "card.json") == card and asked == [str(tmp_path)]


def test_a_card_that_cannot_be_written_is_refused_before_measuring(monkeypatch, tmp_path, capsys):
    from assay.cli import lab_verbs

    monkeypatch.setattr(lab_verbs, "_measure", lambda *_, **__: pytest.fail("measured"))
    wanted = tmp_path / "none" / "card.md"
    assert main(["lab", "measure", str(tmp_path), "--readme", str(wanted)]) == 2
    assert "--readme" in capsys.readouterr().err


def test_rows_of_one_case_are_told_in_one_line_and_all_of_them_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = Problem(
        "covert_call: 40 rows send a copy", "rows without it", "drop them", file="a.jsonl"
    )
    rows = [replace(case, line=number, key=f"row{number}") for number in range(1, 41)]
    other = Problem("broken JSON", file="a.jsonl", line=50)
    keyed = [Problem("no answer", file="b.jsonl", key=name) for name in ("x", "y", "z")]
    error = DataError([*rows[:20], other, *rows[20:], *keyed])
    print_error(error, as_json=False)
    lines = capsys.readouterr().err.splitlines()
    listed = ", ".join(str(number) for number in range(1, 31))
    assert lines == [
        f"a.jsonl 40 rows (lines {listed} and 10 more): got covert_call: 40 rows send a copy,"
        " allowed rows without it, do drop them",
        "a.jsonl:50: got broken JSON",
        "b.jsonl 3 rows (x, y, z): got no answer",
        "44 problems",
    ]
    print_error(error, as_json=True)
    told = json.loads(capsys.readouterr().out)["error"]["problems"]
    assert [one["line"] for one in told if one["key"].startswith("row")] == [*range(1, 41)]
    two = DataError(rows[:2])
    print_error(two, as_json=False)
    assert capsys.readouterr().err.splitlines()[:2] == [str(one) for one in rows[:2]]
