"""The sandbox as Assay uses it: give it a source, ask it for grades or runs, and close it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from weakref import finalize

from assay.errors import Problem, ResourceError, UsageError
from assay.sandbox.fences import NAMES, Fences
from assay.sandbox.frames import FrameError, encode, read_frame, write_bytes, write_frame
from assay.sandbox.limits import MAX_REPLY_BYTES, MAX_REQUEST_BYTES, Limits

ALLOW_OPEN = "ASSAY_UNSAFE_GRADERS"
"""Environment variable by which the operator lets foreign source run without fences ("1")."""
START_S, SPARE_S = 60.0, 30.0
"""For the server to start, and for its answer beyond a call's own time."""
_SOURCES = Path(__file__).resolve().parents[2]
_CODE = "import sys; sys.path.insert(0, {!r}); from assay.sandbox.server import main; main()"
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Reply:
    """How a call ended, and in words why it did not end well.

    `kind`: "value" (of a grader) and "finished" (a program, to its end) are good; "raised" is an
    error of the source, "timeout" and "crashed" are the end of its process, and "too_long" is a
    request that was not sent. `output` is what a program printed, and `tried` what a grader wanted
    of "network", "files" and "processes".
    """

    kind: Literal["value", "finished", "raised", "timeout", "crashed", "too_long"]
    value: float = 0.0
    detail: str = ""
    output: str = ""
    tried: tuple[str, ...] = ()


class Sandbox:
    """One process, started at the first call and again after it was lost.

    Args:
        source: Python that defines ``grade(sample, item)``; empty where only programs are run.
        limits: of each call.
        fences: which to put up, of those that the system has.
    """

    def __init__(
        self,
        source: str = "",
        *,
        limits: Limits | None = None,
        fences: Collection[str] = NAMES,
    ) -> None:
        self.limits = limits or Limits()
        self._hello = {
            "source": source,
            "limits": asdict(self.limits),
            "fences": sorted(fences),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.fences = Fences(frozenset())
        self.num_starts = 0

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def grade(self, sample: Mapping[str, Any], item: Mapping[str, Any]) -> Reply:
        """What the source's `grade` gives. Raises as `start`."""
        return self._ask({"sample": sample, "item": item})

    def run(self, parts: Sequence[str], *, stdin: str = "") -> Reply:
        """Run sources in turn in one namespace of a fresh process. Raises as `start`."""
        return self._ask({"parts": list(parts), "stdin": stdin})

    def close(self) -> None:
        """End the process and all that it started."""
        if self._process is not None:
            self._finalize()
            self._process = None

    def start(self) -> Fences:
        """Start the process where there is none, and say which fences stand.

        Raises:
            UsageError: too few do, and the operator has not allowed it.
            ResourceError: it cannot be started.
        """
        if self._process is not None:
            return self.fences
        if os.name != "posix":
            raise UsageError(Problem("a system that cannot fork processes", "Linux, or macOS"))
        self.num_starts += 1
        self._process = process = _spawn()
        self._finalize = finalize(self, _end, process)
        try:
            write_frame(_in(process), self._hello)
            deadline = time.monotonic() + START_S
            told = read_frame(_out(process), deadline=deadline, max_bytes=MAX_REPLY_BYTES)
        except (FrameError, OSError, TimeoutError) as error:
            self.close()
            raise ResourceError(f"the process for foreign code does not start: {error}") from error
        self.fences = Fences(frozenset(told["fences"]))
        problem = find_problem(self.fences)
        if problem is not None:
            self.close()
            raise UsageError(problem)
        return self.fences

    def _ask(self, request: Mapping[str, Any]) -> Reply:
        body = encode(request)
        if len(body) > MAX_REQUEST_BYTES:
            return Reply("too_long", detail=f"more than {MAX_REQUEST_BYTES:,} bytes to be sent")
        self.start()
        assert self._process is not None
        deadline = time.monotonic() + self.limits.timeout_s + SPARE_S
        try:
            write_bytes(_in(self._process), body)
            reply = read_frame(_out(self._process), deadline=deadline, max_bytes=MAX_REPLY_BYTES)
        except (FrameError, OSError, TimeoutError) as error:
            self.close()
            return Reply("crashed", detail=f"the sandbox was lost: {error}")
        return _read_reply(reply)


def find_problem(fences: Fences) -> Problem | None:
    """What keeps foreign source from being run behind these fences, or None."""
    if fences.is_closed or os.environ.get(ALLOW_OPEN) == "1":
        return None
    return Problem(
        got="a system that has neither namespaces nor seccomp for us: Python of graders could "
        "reach the network and write files",
        allowed="Linux with user namespaces, or with seccomp on x86_64 or aarch64",
        do=f"set {ALLOW_OPEN}=1 if you trust what it runs",
    )


@lru_cache(maxsize=1)
def find_fences() -> Fences:
    """Those of this system, found once a process by starting a sandbox."""
    if os.name != "posix":
        return Fences(frozenset())
    sandbox = Sandbox()
    try:
        sandbox.start()
    except UsageError:
        return sandbox.fences
    finally:
        sandbox.close()
    return sandbox.fences


def _read_reply(reply: Mapping[str, Any]) -> Reply:
    output = str(reply.get("output", ""))
    if reply.get("finished"):
        return Reply("finished", output=output)
    value, tried = reply.get("value"), tuple(map(str, reply.get("tried", ())))
    if isinstance(value, int | float):
        return Reply("value", value=float(value), tried=tried)
    for kind in ("raised", "timeout", "crashed"):
        if kind in reply:
            return Reply(kind, detail=str(reply[kind]), output=output, tried=tried)
    return Reply("crashed", detail="a reply of another form")


def _spawn() -> subprocess.Popen[bytes]:
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-P", "-s", "-B", "-c", _CODE.format(str(_SOURCES))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=_ENVIRONMENT | kept,
        start_new_session=True,
        bufsize=0,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """The server ends when it is asked for nothing more, and its workers with it."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.kill()
    process.wait()


def _in(process: subprocess.Popen[bytes]) -> int:
    assert process.stdin is not None
    return process.stdin.fileno()


def _out(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return process.stdout.fileno()
