"""The migration example, unchanged, against a server of its own with a fresh store."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from program import running

EXAMPLE = Path(__file__).parents[2] / "examples" / "migrate"
MOST_CPU_S = 360
"""Six minutes on one of the two cores; two are not always free."""


def read_cpu_s() -> float:
    """Seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_rows_are_those_that_the_script_writes(tmp_path: Path) -> None:
    script = tmp_path / "make_rows.py"
    script.write_bytes((EXAMPLE / "make_rows.py").read_bytes())
    subprocess.run([sys.executable, str(script)], check=True, timeout=60)
    assert (tmp_path / "rows.jsonl").read_bytes() == (EXAMPLE / "rows.jsonl").read_bytes()


def test_the_example_names_no_other_server() -> None:
    code = (EXAMPLE / "migrate.py").read_text(encoding="utf-8").split('"""', 2)[2]
    assert "assay" not in code.lower() and "base_url" not in code and "api_key" not in code


@pytest.mark.slow
def test_the_example_tunes_and_asks(tmp_path: Path) -> None:
    before = read_cpu_s()
    with running(tmp_path) as program:
        place = {"OPENAI_BASE_URL": program.url, "OPENAI_API_KEY": program.key}
        finished = subprocess.run(
            [sys.executable, str(EXAMPLE / "migrate.py")],
            env={**os.environ, **place},
            capture_output=True,
            text=True,
            timeout=1200,
        )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[-2] == 'track_parcel({"number": "P5309"})'
    assert lines[-1] == "Parcel P5309 is in Leeds."
    assert any(
        "New fine-tuned model created: ft:gpt-4.1-mini:assay:parcels:" in one for one in lines
    )
    assert read_cpu_s() - before < MOST_CPU_S
