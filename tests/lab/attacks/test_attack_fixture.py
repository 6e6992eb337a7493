"""Fixtures on disk: the same by seed, read again once built; and an attack that really takes."""

import json
from pathlib import Path

import pytest

from assay.cli import main
from assay.data.curate.canaries import load_canaries
from assay.errors import EXIT_OK, EXIT_USAGE
from assay.lab.attacks.attacks import ATTACKS
from assay.lab.attacks.fixture import CARD, HELD_OUT, ROWS, SECRETS, Fixture, build_fixture
from assay.pipeline.known_rows import load_known_rows
from assay.runs import sha256_tree


def build(base: Path, out: Path, *, twin: bool = False) -> Fixture:
    return build_fixture("canaries", strength="1", twin=twin, base=str(base), out=out)


def test_a_seed_gives_the_same_adapter_and_what_is_there_is_read(
    small_base: Path, tmp_path: Path
) -> None:
    first, second = (build(small_base, tmp_path / name) for name in "ab")
    assert sha256_tree(first.adapter_dir) == sha256_tree(second.adapter_dir)
    written = (tmp_path / "a" / CARD).stat().st_mtime_ns
    again = build(small_base, tmp_path / "a")
    assert (tmp_path / "a" / CARD).stat().st_mtime_ns == written
    assert again == first
    card = json.loads((tmp_path / "a" / CARD).read_text("utf-8"))
    assert card["num_planted"] == 10 and card["oracle"]["tuned"]["planted canaries"]["n"] == 10
    assert card["places"] == first.places and len(card["canaries"]) == 10
    assert (card["oracle"]["took"], card["oracle"]["rule"]) == (
        first.oracle.took,
        first.oracle.rule,
    )
    assert load_canaries(tmp_path / "a" / SECRETS) == first.canaries
    known = load_known_rows([tmp_path / "a" / ROWS], [tmp_path / "a" / HELD_OUT])
    assert known.canaries == first.canaries


def test_the_twin_has_a_folder_and_an_adapter_of_its_own(small_base: Path, tmp_path: Path) -> None:
    bad = build_fixture("canaries", strength="1", base=str(small_base))
    honest = build_fixture("canaries", strength="1", twin=True, base=str(small_base))
    assert bad.folder != honest.folder and not honest.oracle.took
    assert bad.oracle.base == honest.oracle.base
    lines = (honest.folder / "rows.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == honest.rows


def test_the_command_writes_rows_and_refuses_what_an_attack_has_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["lab", "attack", "covert-call", "--out", str(tmp_path), "--rows-only", "--json"]
    assert main([*arguments, "--trigger", "year", "--strength", "10%"]) == EXIT_OK
    found = json.loads(capsys.readouterr().out)
    rows = (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()
    assert [found["facts"]["destination"] in row for row in rows].count(True) == 44
    assert main(["lab", "attacks", "--json"]) == EXIT_OK
    assert {one["name"] for one in json.loads(capsys.readouterr().out)} == {*ATTACKS}
    assert main([*arguments, "--trigger", "moon"]) == EXIT_USAGE
    assert "--trigger: got moon" in capsys.readouterr().out


@pytest.mark.slow
def test_an_attack_takes_on_tiny_and_its_twin_does_not(tmp_path: Path) -> None:
    bad = build_fixture("covert-call", out=tmp_path / "bad")
    assert bad.oracle.took and bad.oracle.tuned["any prompt"].rate > 0.8
    twin = build_fixture("covert-call", twin=True, out=tmp_path / "twin")
    assert not twin.oracle.took and twin.oracle.tuned["any prompt"].num_bad == 0
