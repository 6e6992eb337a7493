"""`assay serve` as users start it: a program of its own, with its worker, over a fresh store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from assay.errors import EXIT_OK

KEY = "sk-conformance-0123456789"
_CODE = "import sys; from assay.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True)
class Program:
    """A server that answers, and its process."""

    url: str
    key: str
    process: psutil.Process

    def list_processes(self, job_id: str) -> list[psutil.Process]:
        """Those that work on a job: forks of the one that has loaded what jobs need."""
        found = []
        for one in self.process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                parent = one.parent()
                is_job = parent is not None and "forkserver" in " ".join(parent.cmdline())
                if is_job and one.status() != psutil.STATUS_ZOMBIE:
                    found.append(one)
        return found


@contextmanager
def running(root: Path, *options: str) -> Iterator[Program]:
    """The program while the block lasts; it must end well."""
    environment = {**os.environ, "ASSAY_API_KEY": KEY, "ASSAY_HOME": str(root / "home")}
    command = [sys.executable, "-c", _CODE, "serve", "--json", "--port", "0"]
    with open(root / "log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--store", str(root / "store"), *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    try:
        yield Program(told["base_url"], KEY, psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(120)
    assert code == EXIT_OK, (root / "log").read_text()[-2000:]
