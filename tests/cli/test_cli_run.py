"""`assay run --resume`: which run it goes on with, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.cli import main
from assay.cli.start import find_interrupted
from assay.errors import EXIT_USAGE, CheckpointError
from assay.runs import RunFolder, write_json

RECIPE = "base: tiny\ndata:\n  train: rows.jsonl\n"


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a recipe, in the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path("desk")
    folder.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "rows.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    return folder


def make_run(name: str, *, root: str = "runs", ended: bool = False) -> RunFolder:
    run = RunFolder.create(root, name, RECIPE)
    if ended:
        write_json(run.verdict, {"status": "held", "headline": "", "gates": []})
        for path in (run.report, run.card):
            path.write_text("", encoding="utf-8")
    return run


def test_a_recipe_leads_to_its_newest_interrupted_run(desk: Path) -> None:
    interrupted = make_run("desk")
    make_run("desk", ended=True)
    shop = make_run("shop")
    for wanted in ("desk", "desk/", str(desk / "recipe.yaml"), interrupted.id, interrupted.path):
        assert find_interrupted(str(wanted), None).id == interrupted.id, wanted
    assert find_interrupted("", None).id == shop.id


def test_name_and_output_of_the_recipe_are_kept(desk: Path) -> None:
    (desk / "recipe.yaml").write_text(RECIPE + "name: MyDesk\noutput: out\n", encoding="utf-8")
    make_run("MyDesk")
    run = make_run("MyDesk", root="out")
    assert find_interrupted("desk", None).id == run.id
    assert find_interrupted("MyDesk", "out").id == run.id
    with pytest.raises(CheckpointError, match="elsewhere"):
        find_interrupted("desk", "elsewhere")


def test_a_recipe_without_interrupted_runs_leads_to_its_newest() -> None:
    make_run("desk", ended=True)
    run = make_run("desk", ended=True)
    assert find_interrupted("desk", None).id == run.id
    with pytest.raises(CheckpointError, match="no interrupted run under runs/"):
        find_interrupted("", None)


@pytest.mark.parametrize(
    ("arguments", "got"),
    [
        (["--resume", "desk", "--dry-run"], "--dry-run with --resume"),
        (["--resume", "desk", "seed=1"], "seed=1 with --resume"),
        (["--resume", "desk", "seed"], "seed with --resume"),
        (["--resume", "seed=1", "name=a"], "seed=1 name=a with --resume"),
        (["desk", "--root", "out"], "--root without --resume"),
    ],
)
def test_what_would_be_ignored_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], got: str
) -> None:
    make_run("desk")
    assert main(["run", *arguments]) == EXIT_USAGE
    assert capsys.readouterr().err.startswith(f"command line: got {got}, allowed ")
