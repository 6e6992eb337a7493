"""The verbs on a finished run, by way of the command: chat, eval, export, runs, release."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.runs import list_runs

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_way_of_a_run_by_command(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    code, value = call(capsys, "run", str(recipe), "train.max_steps=3")
    assert code == 3
    assert value["verdict"]["status"] == "held"
    run = value["run"]
    root = str(tmp_path / "runs")

    code, answer = call(capsys, "chat", run, "-m", "Hello.", "--max-new-tokens", "3")
    assert code == 0
    assert isinstance(answer["answer"], str)

    code, report = call(capsys, "eval", run, str(recipe.parent / "colours.jsonl"))
    assert code == 0
    assert report["n"] == 120
    assert 0 <= report["tuned"]["mean"] <= 1

    table = tmp_path / "table.csv"
    table.write_text("frage,antwort\nSay red.,red\nSay blue.,blue\n", encoding="utf-8")
    options = ("--format", "alpaca", "--column", "instruction=frage", "--column", "output=antwort")
    code, report = call(capsys, "eval", run, str(table), *options)
    assert (code, report["n"]) == (0, 2)
    code, refused = call(capsys, "eval", run, str(table), "--format", "excel", "--column", "frage")
    assert code == 2
    assert "excel" in refused["error"]["message"] and "FIELD=COLUMN" in refused["error"]["message"]

    text = tmp_path / "text.jsonl"
    text.write_text(json.dumps({"text": "long " * 900}) + "\n", encoding="utf-8")
    for data in (text, recipe.parent / "colours.jsonl"):
        code, report = call(capsys, "eval", run, str(data), "--metric", "perplexity")
        assert code == 0
        assert report["tuned"]["num_unscored"] == 0
        assert report["tuned"]["perplexity"] > 1

    code, exported = call(capsys, "export", run, "--to", "merged")
    assert (code, exported["status"]) == (3, "held"), "its run is"
    assert exported["difference"] <= exported["tolerance"]
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(exported["folder"])
    code, again = call(capsys, "export", run, "--to", "merged")
    assert code == 2
    assert "exists" in again["error"]["message"]

    code, runs = call(capsys, "runs", "--root", root)
    assert [one["status"] for one in runs] == ["held"]

    assert call(capsys, "release", run)[0] == 3
    assert call(capsys, "release", run, "--override", "a test of the way around")[0] == 0
    assert call(capsys, "release", "verify", run)[0] == 0
    assert list_runs(root)[0].status == "overridden"
    (Path(run) / "README.md").write_text("changed", encoding="utf-8")
    assert call(capsys, "release", "verify", run)[0] == 3


def test_resume_without_a_run_to_resume_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, value = call(capsys, "run", "--resume", "--root", str(tmp_path))
    assert code == 2
    assert "no interrupted run" in value["error"]["message"]


def test_a_name_that_is_neither_run_nor_base_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, value = call(capsys, "chat", "nobody", "-m", "x", "--root", str(tmp_path))
    assert code == 2
    assert "nobody" in value["error"]["message"]
