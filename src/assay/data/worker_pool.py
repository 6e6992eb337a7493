"""Processes that do one kind of work on bytes, and the talk with them; it knows no kind of work.

Each is ``python -m MODULE``, a program of its own: nothing of this process, its main script or its
threads is copied, and it loads no torch. Both sides send a length and bytes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO

import assay
from assay.errors import ResourceError

_LENGTH = struct.Struct("<Q")


def build_command(module: str) -> tuple[str, ...]:
    """The command that runs a module of ours as a worker."""
    # -P: no module of the current folder takes the place of one that is meant.
    return (sys.executable, "-P", "-m", module)


def send(stream: BinaryIO | IO[bytes], content: bytes) -> None:
    """Write one message."""
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def receive(stream: BinaryIO | IO[bytes]) -> bytes | None:
    """The next message; None at the end of the stream, also within a message."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    content = stream.read(size)
    return content if len(content) == size else None


class WorkerLost(ResourceError):
    """A process ended with work of ours; `code` is negative where a signal stopped it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class _Worker:
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    doing: str

    def ask(self, payload: bytes) -> bytes:
        """Raises WorkerLost where the process is gone."""
        assert self.process.stdin and self.process.stdout
        try:
            send(self.process.stdin, payload)
            answer = receive(self.process.stdout)
        except OSError:
            answer = None
        if answer is None:
            raise self._explain()
        return answer

    def end(self) -> None:
        """Stop the process, if it still runs, and forget what it was being told."""
        self.process.kill()
        assert self.process.stdin
        with contextlib.suppress(OSError):  # half a message cannot be flushed to the dead
            self.process.stdin.close()
        with self.process, self.errors:
            pass

    def _explain(self) -> WorkerLost:
        code = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        why = f"ended with {code}" + (f": {said[-1]}" if said else "")
        if code < 0:
            why = f"was stopped by {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            why += ", most likely since memory ran out"
        do = "free some memory, then run again"
        return WorkerLost(f"a process that {self.doing} {why}; {do}", code)


class WorkerPool:
    """At most `num_workers` processes, each started when there is work for it.

    Leaving the block ends them, whatever they are at.

    Args:
        command: starts one, as `build_command` gives it.
        greeting: what each is told first, and answers by anything.
        doing: what they are for, in errors: "tokenises rows".
    """

    def __init__(
        self, command: Sequence[str], greeting: bytes, num_workers: int, *, doing: str
    ) -> None:
        self.num_workers = num_workers
        self._command = command
        self._greeting = greeting
        self._doing = doing
        self._threads = ThreadPoolExecutor(num_workers, thread_name_prefix="worker")
        self._own = threading.local()
        self._workers: list[_Worker] = []

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._workers):
            worker.process.kill()
        self._threads.shutdown(wait=True)
        for worker in self._workers:
            worker.end()

    def submit(self, payload: bytes) -> Future[bytes]:
        """What a process answers, some time; a `WorkerLost` where the process was lost.

        By custom an empty answer means that the work failed: done where the asker is, it fails
        with its error.
        """
        return self._threads.submit(self._ask, payload)

    def _ask(self, payload: bytes) -> bytes:
        worker = getattr(self._own, "worker", None)
        if worker is None:
            worker = self._own.worker = self._start()
        return worker.ask(payload)

    def _start(self) -> _Worker:
        source = str(Path(assay.__file__).parents[1])
        paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
        errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the pool)
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            # Ctrl-C is for the run, which ends its workers.
            start_new_session=True,
        )
        worker = _Worker(process, errors, self._doing)
        self._workers.append(worker)
        worker.ask(self._greeting)
        return worker
