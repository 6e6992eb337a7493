"""The benchmark of data checks plants what its page says, and counts all processes."""

import json
import sys
from pathlib import Path

from benchmarks.data import FAMILIES, check, measure, write_rows


def test_the_rows_hold_what_was_planted(tmp_path: Path) -> None:
    train, held_out = write_rows(tmp_path, 1_000)
    lines = train.read_text("utf-8").splitlines()
    assert len(lines) == 1_000 and len(held_out.read_text("utf-8").splitlines()) == 200
    assert 900 < sum(map(len, lines)) / len(lines) < 1_200
    rules = (*FAMILIES["exact duplicates"], *FAMILIES["near duplicates"], *FAMILIES["leakage"])
    found = check(str(train), str(held_out), rules, 1)
    assert (found["exact_duplicate"], found["near_duplicate"]) == (5, 5)
    leaked = {json.loads(line)["messages"][0]["content"] for line in lines} & {
        json.loads(line)["messages"][0]["content"] for line in held_out.read_text().splitlines()
    }
    assert len(leaked) == 4 and found["leaked_row"] >= 4


def test_memory_and_time_are_of_children_too() -> None:
    code = "import subprocess, sys, time; b = bytearray(40 << 20); time.sleep(0.4)"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}]); print('x')"
    found = measure([sys.executable, "-c", nested])
    assert found.said == "x\n" and found.peak_mib > 40 and found.wall_s > 0.4 and found.cpu_s > 0
