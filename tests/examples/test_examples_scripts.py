"""The scripts that write the rows of the examples, as a person calls them."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*/make_*.py"))


def call(script: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", str(script), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", SCRIPTS, ids=[f"{p.parent.name}-{p.stem}" for p in SCRIPTS])
def test_help_is_printed_and_no_option_becomes_a_file(script: Path, tmp_path: Path) -> None:
    asked = call(script, tmp_path, "--help")
    assert asked.returncode == 0
    assert "OUT.jsonl" in asked.stdout
    assert call(script, tmp_path, "--bad").returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_kind_that_no_row_has_is_refused(tmp_path: Path) -> None:
    done = call(EXAMPLES / "support" / "make_data.py", tmp_path, "out.jsonl", "queues")
    assert done.returncode == 2
    assert "got queues, allowed queue, policy," in done.stderr
    assert list(tmp_path.iterdir()) == []
