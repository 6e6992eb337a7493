"""`assay sweep` as a user types it: what it will try, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.cli import main
from assay.errors import EXIT_OK, EXIT_USAGE


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    Path("recipe.yaml").write_text("base: tiny\ndata: {train: rows.jsonl}\n", encoding="utf-8")


def test_a_dry_run_lists_the_candidates(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["sweep", "recipe.yaml", "sweep.learning_rate=[1e-3, 0.01]", "sweep.rank=[8]"]
    assert main([*given, "--dry-run"]) == EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == [
        "sweep: 2 candidates, one base",
        "  c1  learning_rate 0.001, rank 8",
        "  c2  learning_rate 0.01, rank 8",
    ]
    assert main([*given, "--dry-run", "--json"]) == EXIT_OK
    found = json.loads(capsys.readouterr().out)["candidates"]
    assert found[1] == {"name": "c2", "setting": {"learning_rate": 0.01, "rank": 8}}
    assert not Path("runs").exists()


def test_each_verb_names_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "recipe.yaml", "sweep.rank=[8]"]) == EXIT_USAGE
    assert "use `assay sweep recipe.yaml`" in capsys.readouterr().err
    assert main(["sweep", "recipe.yaml"]) == EXIT_USAGE
    assert "add for example `sweep.learning_rate=[1e-4," in capsys.readouterr().err
