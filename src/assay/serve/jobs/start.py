"""The server's own worker: a process beside it, ended with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from assay.runs.store import Store
from assay.serve.jobs.execute import DATABASE_VARIABLE

_STOP_S = 90.0
"""A running job saves its checkpoint before the worker ends."""


@contextmanager
def worker_beside(store: Store) -> Iterator[None]:
    """A worker of this store while the block lasts."""
    environment = dict(os.environ)
    if not store.is_sqlite:
        environment[DATABASE_VARIABLE] = store.engine.url.render_as_string(hide_password=False)
    code = "import sys; from assay.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "worker", "--store", str(store.folder), "--with-parent"]
    process = subprocess.Popen(
        command,
        env=environment,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
