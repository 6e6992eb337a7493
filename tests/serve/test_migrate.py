"""The migration example, unchanged, against a server of its own with a fresh store."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from program import running

EXAMPLE = Path(__file__).parents[2] / "examples" / "migrate"
MOST_CPU_S = 360
"""Six minutes on one of the two cores; two are not always free."""


def read_cpu_s(process: psutil.Process, seen: dict[int, float]) -> float:
    """Seconds of a process and all that came of it, those that ended as far as they were seen."""
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            seen[one.pid] = sum(one.cpu_times()[:2])
    return sum(seen.values())


def test_the_rows_are_those_that_the_script_writes(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    subprocess.run(
        [sys.executable, str(EXAMPLE / "make_data.py"), str(out)], check=True, timeout=60
    )
    assert out.read_bytes() == (EXAMPLE / "rows.jsonl").read_bytes()


def test_the_example_names_no_other_server() -> None:
    code = (EXAMPLE / "migrate.py").read_text(encoding="utf-8").split('"""', 2)[2]
    assert "assay" not in code.lower() and "base_url" not in code and "api_key" not in code


@pytest.mark.slow
def test_the_example_tunes_and_asks(tmp_path: Path) -> None:
    seen: dict[int, float] = {}
    with running(tmp_path) as program:
        place = {"OPENAI_BASE_URL": program.url, "OPENAI_API_KEY": program.key}
        script = subprocess.Popen(
            [sys.executable, str(EXAMPLE / "migrate.py")],
            env={**os.environ, **place},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while script.poll() is None:
            spent_s = read_cpu_s(program.process, seen)
            assert spent_s < MOST_CPU_S
            time.sleep(0.5)
        text = script.communicate()[0]
    assert script.returncode == 0, text
    lines = text.splitlines()
    assert lines[-2] == 'track_parcel({"number": "P5309"})'
    assert lines[-1] == "Parcel P5309 is in Leeds."
    made = "New fine-tuned model created: ft:gpt-4.1-mini:assay:parcels:"
    assert any(made in line for line in lines)
    assert spent_s > 10, "what jobs spend is counted"
    print(f"{spent_s:.0f} CPU-seconds")
