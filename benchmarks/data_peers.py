"""Others that look for near duplicates, each by its own means, in an environment of its own."""

from __future__ import annotations

import subprocess
import tempfile
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = ("datasketch", "datatrove")
_ENVIRONMENT = HERE / ".envs" / "near_duplicates"
_REQUIREMENTS = HERE / "peers" / "near_duplicates.txt"


def find_python() -> Path:
    """The interpreter of the environment, which is built first if it is not there."""
    python = _ENVIRONMENT / "bin" / "python"
    done = _ENVIRONMENT / "built.txt"
    wanted = _REQUIREMENTS.read_text("utf-8")
    if not done.exists() or done.read_text("utf-8") != wanted:
        venv.create(_ENVIRONMENT, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*install, "--requirement", str(_REQUIREMENTS)], check=True)
        done.write_text(wanted, "utf-8")
    return python


def run_peer(name: str, rows: Path, measure: Callable[[Sequence[str]], Any]) -> Any:
    """Near duplicates of chat rows as `name` finds them, at the threshold and the words of ours."""
    script = HERE / "peers" / f"{name}_near.py"
    with tempfile.TemporaryDirectory(prefix="assay-benchmark-") as folder:
        return measure([str(find_python()), str(script), str(rows), folder])
