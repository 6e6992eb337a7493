"""The lock of a run whose writer was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from assay.runs import RunFolder, list_runs


@pytest.mark.skipif(os.name != "posix", reason="zombies are a thing of POSIX")
def test_a_killed_writer_that_nobody_waited_for_holds_no_lock(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "r", "base: tiny\n")
    code = (
        "import sys, assay.runs as r\n"
        f"with r.RunFolder.open({str(run.path)!r}).lock():\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert list_runs(tmp_path)[0].status == "running"
        os.kill(other.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert list_runs(tmp_path)[0].status == "unfinished"
        with run.lock():
            assert run.writer is not None and run.writer.pid == os.getpid()
