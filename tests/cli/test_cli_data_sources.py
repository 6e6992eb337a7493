"""What is asked about: several broken files, columns by name, paths of a recipe, one at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.cli.data_asked import read_asked
from assay.data.curate.check import LOCK
from assay.errors import EXIT_OK, EXIT_USAGE


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, rows: list[Any]) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return name


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["data", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_every_source_that_cannot_be_read_is_told_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = write("good.jsonl", [{"text": "a whole sentence of text."}])
    odd = write("odd.jsonl", [{"alpha": 1, "beta": 2}])
    Path("broken.jsonl").write_text('{"text": "a"\n{"text": \n', encoding="utf-8")
    Path("empty.jsonl").write_text("", encoding="utf-8")
    Path("notes.docx").write_text("x", encoding="utf-8")
    files = [good, odd, "broken.jsonl", "empty.jsonl", "notes.docx", "gone.jsonl"]
    assert main(["data", "check", *files, "--validation", "lost.jsonl"]) == EXIT_USAGE
    lines = capsys.readouterr().err.splitlines()
    places = [line.split(" ")[0].rstrip(":") for line in lines]
    assert places == [
        "odd.jsonl",
        "broken.jsonl:1:13",
        "broken.jsonl:2:10",
        "empty.jsonl",
        "notes.docx",
        "gone.jsonl",
        "lost.jsonl",
        "7",
    ]
    assert "got no rows" in lines[3] and "no such file" in lines[5]


def test_several_files_that_end_in_the_middle_are_told_together(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import gzip
    import random

    words = random.Random(0)
    rows = [{"text": f"row {words.random()} and {words.random()}"} for n in range(4_000)]
    packed = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        Path(name).write_bytes(packed[: len(packed) // 2])
    assert main(["data", "check", "a.jsonl.gz", "b.jsonl.gz"]) == EXIT_USAGE
    lines = [line for line in capsys.readouterr().err.splitlines() if ".gz" in line]
    assert [line.split(":")[0] for line in lines] == ["a.jsonl.gz", "b.jsonl.gz"]


def test_columns_are_named_as_in_a_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"ask": f"What is {n} and {n + 1}?", "reply": f"{2 * n + 1}, I think."} for n in range(5)
    ]
    rows.append({"ask": "And now?", "reply": ""})
    file = write("rows.jsonl", rows)
    assert main(["data", "check", file]) == EXIT_USAGE
    assert "map the columns" in capsys.readouterr().err
    columns = ["--column", "prompt=ask", "--column", "completion=reply"]
    code, found = run_json(capsys, "check", file, *columns, "--format", "completion")
    assert code == EXIT_USAGE and found["rows"] == {"train": 6}
    assert [one["line"] for one in found["findings"] if one["rule"] == "empty_answer"] == [6]
    code, curated = run_json(capsys, "curate", file, *columns, "--out", "versions")
    assert code == EXIT_OK and curated["version"]["num_rows"] == 5
    assert main(["data", "check", file, "--column", "prompt"]) == EXIT_USAGE
    assert "FIELD=COLUMN" in capsys.readouterr().err
    Path("recipe.yaml").write_text("base: tiny\ndata: {train: rows.jsonl}\n", encoding="utf-8")
    assert main(["data", "check", "recipe.yaml", *columns]) == EXIT_USAGE
    assert "a recipe, whose sources say that themselves" in capsys.readouterr().err


def test_files_that_a_recipe_names_start_at_its_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [{"text": f"Row {n} speaks of {n * n} things."} for n in range(4)]
    write("there/rows.jsonl", rows)
    command = ["canaries", "there/rows.jsonl", "--count", "2", "--out", "there/c.jsonl"]
    assert run_json(capsys, *command)[0] == EXIT_OK
    Path("there/recipe.yaml").write_text(
        "base: tiny\ndata:\n  train: [rows.jsonl, c.jsonl]\n"
        "  rules: {canary: {file: c.canaries.json, allow: [nothing]}}\n",
        encoding="utf-8",
    )
    code, found = run_json(capsys, "check", "there/recipe.yaml")
    assert code == EXIT_OK and found["counts"]["canary"]["rows"] == 2
    # The command line starts at the current folder, and leaves the recipe's other members alone.
    asked = read_asked(["there/recipe.yaml"], rule=["canary.file=elsewhere.json"])
    assert asked.settings.option("canary", "file") == "elsewhere.json"
    assert asked.settings["canary"].allow == ("nothing",)


CHECKS = "import sys; from assay.cli import main; sys.exit(main(sys.argv[1:]))"


def test_two_processes_do_not_check_in_one_folder() -> None:
    rows = [{"text": f"Row {n} is about {n * n}. " + "So it goes on. " * 40} for n in range(40_000)]
    command = [sys.executable, "-c", CHECKS, "data", "check", write("rows.jsonl", rows)]
    command += ["--work", "work"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        lock = Path("work") / LOCK
        for _ in range(600):
            if lock.exists() and lock.read_text(encoding="utf-8"):
                break
            time.sleep(0.05)
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert second.returncode == EXIT_USAGE
    told = f"another process checks data here (pid {first.pid} on "
    assert f"work: {told}" in second.stderr and "name another folder (--work)" in second.stderr
    # Whoever died holds nothing: a smaller check goes on in its place.
    write("rows.jsonl", rows[:20])
    third = subprocess.run(command, capture_output=True, text=True, check=False)
    assert third.returncode == EXIT_OK, third.stderr
    assert not lock.exists()
