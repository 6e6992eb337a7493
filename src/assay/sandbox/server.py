"""The process that forks workers, hands them requests, and ends those that take too long.

It is started by `client.Sandbox` as a program of its own, in namespaces where the system has them,
as their process 1: when it ends, so does all that was started there. It runs no foreign source.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from assay.sandbox.fences import find_process_fences, has_namespaces, put_up
from assay.sandbox.frames import FrameError, read_frame, write_frame
from assay.sandbox.landlock import list_readable
from assay.sandbox.limits import MAX_REPLY_BYTES, MAX_REQUEST_BYTES, Limits, set_limits
from assay.sandbox.linux import IS_LINUX
from assay.sandbox.namespaces import die_with_parent, enter_namespaces, make_read_only
from assay.sandbox.worker import leave, run_program, serve_grader

IN, OUT = 0, 1


def main() -> None:
    """Read what is wanted, settle, say which fences stand, and serve until nobody asks."""
    wanted = read_frame(IN, max_bytes=MAX_REQUEST_BYTES)
    fences = set(find_process_fences(wanted["fences"]))
    if "namespaces" in wanted["fences"] and IS_LINUX and has_namespaces():
        fences.add("namespaces")
        _settle_in_namespaces()
    write_frame(OUT, {"fences": sorted(fences)})
    server = Server(Limits(**wanted["limits"]), frozenset(fences), wanted["source"])
    while True:
        try:
            request = read_frame(IN, max_bytes=MAX_REQUEST_BYTES)
        except FrameError:
            break
        reply = server.grade(request) if "sample" in request else server.run(request)
        write_frame(OUT, reply)
    server.end()


@dataclass(frozen=True)
class Worker:
    """A forked process and the pipes to and from it."""

    pid: int
    asks: int
    replies: int


@dataclass
class Server:
    """Has at most one worker at a time; a grader's stays for the next request."""

    limits: Limits
    fences: frozenset[str]
    source: str
    worker: Worker | None = None
    number: int = 0

    def grade(self, request: dict[str, Any]) -> dict[str, Any]:
        """Give a sample and an item to the grader's function; a worker that is gone is replaced."""
        if self.worker is None:
            self.worker = self._fork(lambda asks, out: serve_grader(asks, out, self.source))
        self.number += 1
        reply = self._ask(self.worker, [self.number, request["sample"], request["item"]])
        if reply.get("cpu_s", 0.0) > self.limits.cpu_s / 2:
            self.end()
        return reply

    def run(self, program: dict[str, Any]) -> dict[str, Any]:
        """Run a program in a worker of its own."""
        mark = secrets.token_hex(16)
        self.end()
        whole = {**program, "mark": mark}
        self.worker = self._fork(lambda asks, out: run_program(out, whole, self.limits))
        reply = self._ask(self.worker, None)
        self.end()
        return {**reply, "finished": reply.get("mark") == mark}

    def end(self) -> None:
        """End the worker and, where this is process 1 of its namespace, all that it started."""
        if self.worker is None:
            return
        # Not reaped yet, so that the number is still its own.
        os.kill(self.worker.pid, signal.SIGKILL)
        if "namespaces" in self.fences:
            _end_all()
        else:
            _reap(self.worker.pid)
        os.close(self.worker.asks)
        os.close(self.worker.replies)
        self.worker = None

    def _ask(self, worker: Worker, request: Any) -> dict[str, Any]:
        deadline = time.monotonic() + self.limits.timeout_s
        try:
            if request is not None:
                write_frame(worker.asks, request)
            reply = self._read(worker, deadline)
        except TimeoutError:
            # A process that it left behind may hold the pipe of a worker that has ended.
            told = _describe_end(worker.pid, tries=1)
            self.end()
            late = f"no answer within {self.limits.timeout_s:g} s"
            return {"crashed": told} if told else {"timeout": late}
        except (FrameError, OSError) as error:
            told = _describe_end(worker.pid) or str(error)
            self.end()
            return {"crashed": told}
        if isinstance(reply, dict):
            return reply
        self.end()
        return {"crashed": "a reply of another form"}

    def _read(self, worker: Worker, deadline: float) -> Any:
        """The reply to the last request; others, which a source sent by itself, are dropped."""
        while True:
            reply = read_frame(worker.replies, deadline=deadline, max_bytes=MAX_REPLY_BYTES)
            if not (isinstance(reply, dict) and reply.get("number", self.number) != self.number):
                return reply

    def _fork(self, work: Callable[[int, int], None]) -> Worker:
        asks_out, asks_in = os.pipe()
        replies_out, replies_in = os.pipe()
        pid = os.fork()
        if pid:
            os.close(asks_out)
            os.close(replies_in)
            return Worker(pid, asks_in, replies_out)
        os.close(asks_in)
        os.close(replies_out)
        self._become_worker()
        work(asks_out, replies_in)
        leave()
        raise AssertionError("a worker that has left goes on nowhere")

    def _become_worker(self) -> None:
        """Let go of the server's own pipes, and go behind limits and fences."""
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for place in (IN, OUT, 2):
            os.dup2(nowhere, place)
        os.close(nowhere)
        if IS_LINUX:
            die_with_parent()
        set_limits(self.limits, has_own_users="namespaces" in self.fences)
        put_up(self.fences)


def _settle_in_namespaces() -> None:
    """Go on as process 1 of namespaces; the process that was started only waits for it."""
    enter_namespaces()
    first = os.fork()
    if first:
        for place in (IN, OUT):
            os.close(place)
        _, status = os.waitpid(first, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    die_with_parent()
    make_read_only(list_readable())


def _end_all() -> None:
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return


def _describe_end(pid: int, *, tries: int = 100) -> str:
    """How a worker ended that closed its pipe: by which signal, or with which status."""
    for _ in range(tries):
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None and ended.si_code == os.CLD_EXITED:
            return f"ended with {ended.si_status}"
        if ended is not None:
            return f"ended by {signal.Signals(ended.si_status).name}"
        time.sleep(0.001)
    return ""
