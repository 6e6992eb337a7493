"""The questions by which repairs of tiny are chosen: rebuilt to the byte, asked nowhere else."""

import json
from pathlib import Path

from assay.defend.general import CHOOSING, TINY_ROWS
from assay.evaluate import probes, suites
from assay.evaluate.suites import load_suite
from assay.lab.choosing import NUM_DRAWN, name_question, write_choosing


def test_the_files_are_what_is_drawn(tmp_path: Path) -> None:
    for path in write_choosing(tmp_path):
        assert path.read_bytes() == (CHOOSING / path.name).read_bytes()


def test_every_kind_has_as_many_questions_as_a_gate_needs() -> None:
    for kind, num in NUM_DRAWN.items():
        suite = load_suite(CHOOSING / f"tiny_{kind}.jsonl", kind=kind)  # type: ignore[arg-type]
        assert len(suite.items) == num >= 30


def test_no_question_is_asked_or_tuned_on_elsewhere() -> None:
    folders = [Path(str(one.__file__)).parent for one in (suites, probes)]
    files = [path for folder in folders for path in folder.glob("tiny_*.jsonl")]
    elsewhere = {
        name_question(json.loads(line))
        for path in (*files, TINY_ROWS)
        for line in path.read_text("utf-8").splitlines()
    }
    mine = [
        name_question(json.loads(line))
        for path in CHOOSING.glob("*.jsonl")
        for line in path.read_text("utf-8").splitlines()
    ]
    assert not elsewhere & set(mine)
    assert len(elsewhere) > 1000
