"""The server's own worker: a process beside it, ended with it, and started anew where it ended."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from assay.runs.store import Store
from assay.serve.jobs.parent import name_parent
from assay.serve.jobs.process import render_url

DATABASE_VARIABLE = "ASSAY_DATABASE"
"""Where `assay worker` reads the database's URL: it has a password, which no argument may show."""
log = logging.getLogger("assay.serve")
_STOP_S = 90.0
"""A running job saves its checkpoint before the worker ends."""
_PAUSE_S, _MOST_PAUSE_S = 1.0, 60.0
"""Before a worker that ended is started anew; twice as long each time that it ends soon."""


@contextmanager
def worker_beside(store: Store, command: Sequence[str] = ()) -> Iterator[None]:
    """A worker of this store while the block lasts; `command` starts it, by default `assay`'s."""
    environment = {**os.environ, **name_parent()}
    if not store.is_sqlite:
        environment[DATABASE_VARIABLE] = render_url(store)
    stopping = threading.Event()
    arguments = [list(command) or _name_worker(store), environment, stopping]
    # A worker ends with the thread that started it, which therefore waits for it.
    keeping = threading.Thread(target=_keep, args=arguments, name="worker", daemon=True)
    keeping.start()
    try:
        yield
    finally:
        stopping.set()
        keeping.join()


def _name_worker(store: Store) -> list[str]:
    code = "import sys; from assay.cli import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", code, "worker", "--store", str(store.folder), "--with-parent"]


def _keep(command: list[str], environment: dict[str, str], stopping: threading.Event) -> None:
    pause_s = _PAUSE_S
    while not stopping.is_set():
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        while process.poll() is None and not stopping.wait(0.1):
            pass
        if stopping.is_set():
            _end(process)
            return
        log.warning(f"the worker ended with {process.returncode}; it is started anew")
        pause_s = _PAUSE_S if time.monotonic() - began > _MOST_PAUSE_S else pause_s
        stopping.wait(pause_s)
        pause_s = min(2 * pause_s, _MOST_PAUSE_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
