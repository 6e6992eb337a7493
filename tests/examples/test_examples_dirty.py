"""The example with planted faults: each is found at its line, mended, and restored."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.data.curate import list_rules

DIRTY = Path(__file__).parents[2] / "examples" / "dirty"
FILES = [DIRTY / "train.jsonl", DIRTY / "calls.jsonl"]
LINE = re.compile(r"^\| (\S+:\d+) \| `(\w+)` \| .+ \|$", re.MULTILINE)


def list_faults(table: str = "faults") -> set[tuple[str, str]]:
    """Place and rule of every line of a table of the README."""
    text = (DIRTY / "README.md").read_text(encoding="utf-8")
    return set(LINE.findall(text[text.index(f"<!-- {table}") : text.index(f"<!-- end of {table}")]))


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main([*arguments, "--json"])
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, value


def list_found(checked: dict[str, Any]) -> set[tuple[str, str]]:
    return {(f"{Path(one['file']).name}:{one['line']}", one["rule"]) for one in checked["findings"]}


def test_every_planted_fault_is_found_at_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    faults = list_faults()
    assert len({rule for _, rule in faults}) >= 30
    assert {rule for _, rule in faults} <= set(list_rules())
    code, checked = call(capsys, "data", "check", *map(str, FILES))
    assert code == 2
    assert checked["verdict"] == "refused"
    assert faults - list_found(checked) == set()


def test_rows_without_a_planted_fault_are_neither_errors_nor_warnings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    planted = {place for place, _ in list_faults()}
    _, checked = call(capsys, "data", "check", *map(str, FILES))
    others = [
        (one["line"], one["rule"])
        for one in checked["findings"]
        if one["severity"] != "info" and f"{Path(one['file']).name}:{one['line']}" not in planted
    ]
    assert others == []


def test_rows_of_the_held_out_file_are_found_where_they_are_trained_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    leaks = list_faults("leaks")
    assert {rule for _, rule in leaks} == {"leaked_row"}
    held_out = str(DIRTY / "held_out" / "test.jsonl")
    code, checked = call(capsys, "data", "check", *map(str, FILES), "--test", held_out)
    assert code == 2
    found = {one for one in list_found(checked) if one[1] == "leaked_row"}
    assert found == leaks


def test_curating_makes_it_pass_and_undo_restores_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "desk.data")
    code, curated = call(capsys, "data", "curate", *map(str, FILES), "--out", store)
    assert code == 0
    assert curated["check"]["verdict"] != "refused"
    assert Path(curated["report"]).is_file()
    code, checked = call(capsys, "data", "check", store)
    assert (code, checked["verdict"]) == (0, curated["check"]["verdict"])
    assert call(capsys, "data", "undo", store)[0] == 0
    code, restored = call(capsys, "data", "check", store)
    assert code == 2
    assert list_faults() - list_found(restored) == set()


def test_files_and_table_are_what_the_script_writes(tmp_path: Path) -> None:
    script = [sys.executable, "-B", str(DIRTY / "make.py"), str(tmp_path)]
    subprocess.run(script, check=True, timeout=60)
    for name in ("train.jsonl", "calls.jsonl", "held_out/test.jsonl", "README.md"):
        assert (tmp_path / name).read_bytes() == (DIRTY / name).read_bytes(), name


def test_no_key_stands_in_the_files_as_a_scanner_would_see_it() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not re.search(r"glpat-|eyJ[\w-]{8}|BEGIN [A-Z ]*PRIVATE KEY", text), path
