"""What runs behind the fences: a grader's function call by call, or one program to its end.

Nothing that is said here is trusted: a reply is only a number, a text, or how it went wrong.
"""

from __future__ import annotations

import io
import math
import os
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

from assay.sandbox.frames import FrameError, read_frame, write_frame
from assay.sandbox.limits import MAX_REQUEST_BYTES, MAX_TOLD_CHARS, Limits

ENTRY = "grade"
SOURCE = "<grader>"


_NETWORK = frozenset(
    {
        "socket.__new__",
        "socket.connect",
        "socket.bind",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.sendto",
    }
)
_FILES = frozenset({"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink"})
_PROCESSES = frozenset(
    {"os.fork", "os.exec", "os.posix_spawn", "os.system", "os.kill", "subprocess.Popen"}
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Notes what a source tries that the fences keep it from, though it hides the error.

    By Python's audit events, which no source can turn off; extension modules may raise none, so
    this tells and does not protect.
    """

    def __init__(self) -> None:
        self.tried: set[str] = set()
        sys.addaudithook(self._note)

    def take(self) -> list[str]:
        """What was tried since the last time: "network", "files", "processes"."""
        tried, self.tried = sorted(self.tried), set()
        return tried

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _NETWORK:
            self.tried.add("network")
        elif event in _PROCESSES:
            self.tried.add("processes")
        elif event in _FILES or (event == "open" and _is_written(arguments)):
            self.tried.add("files")


def _is_written(arguments: tuple[Any, ...]) -> bool:
    path, _, flags = (*arguments, None, None, None)[:3]
    return bool(isinstance(flags, int) and flags & _WRITING and path != os.devnull)


class BoundedText(io.StringIO):
    """What is printed, up to a limit; more is an error."""

    def __init__(self, max_chars: int) -> None:
        super().__init__()
        self._left = max_chars

    def write(self, text: str) -> int:
        self._left -= len(text)
        if self._left < 0:
            raise OSError("more output than is allowed")
        return super().write(text)


class _NoText(io.StringIO):
    """What a grader prints is dropped."""

    def write(self, text: str) -> int:
        return len(text)


def serve_grader(asks: int, replies: int, source: str) -> None:
    """Run `source` once, then its function `grade` for each request until there are no more.

    Each reply has `value`, a finite number, or `raised`, the error in words; the request's
    `number`; `tried`, see `Watch`; and `cpu_s`, the processor time of this process so far.
    """
    watch, pid = Watch(), os.getpid()
    sys.stdout = sys.stderr = _NoText()
    namespace: dict[str, Any] = {"__name__": "grader"}
    broken = _run_source(source, namespace)
    # A copy that the source made of this process has nothing to ask or to say.
    while os.getpid() == pid:
        try:
            number, sample, item = read_frame(asks, max_bytes=MAX_REQUEST_BYTES)
        except FrameError:
            return
        reply = {"raised": broken} if broken else _grade(namespace, sample, item)
        if os.getpid() != pid:
            return
        told = {"number": number, "tried": watch.take(), "cpu_s": time.process_time()}
        write_frame(replies, {**reply, **told})


def run_program(replies: int, program: Mapping[str, Any], limits: Limits) -> None:
    """Run a program's parts in turn, in one namespace, and reply once with what it printed.

    `program` has `parts`, sources in order; `stdin`, what it can read; `mark`, which the reply
    repeats where all parts came to their end, and which the parts are not shown.
    """
    printed = BoundedText(limits.output_chars)
    sys.stdout, sys.stdin = printed, io.StringIO(str(program["stdin"]))
    sys.stderr = _NoText()
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for part in program["parts"]:
        raised = _run_source(part, namespace)
        if raised:
            write_frame(replies, {"raised": raised, "output": printed.getvalue()})
            return
    write_frame(replies, {"mark": program["mark"], "output": printed.getvalue()})


def _run_source(source: str, namespace: dict[str, Any]) -> str:
    """What went wrong, or nothing."""
    try:
        exec(compile(source, SOURCE, "exec"), namespace)
    except BaseException as error:  # Foreign source may raise anything, SystemExit too.
        return _tell(error)
    return ""


def _grade(namespace: dict[str, Any], sample: Any, item: Any) -> dict[str, Any]:
    try:
        return {"value": _to_number(namespace[ENTRY](sample, item))}
    except BaseException as error:  # As above.
        return {"raised": _tell(error)}


def _to_number(value: Any) -> float:
    if isinstance(value, str | bytes) or not hasattr(type(value), "__float__"):
        raise TypeError(f"grade returned {_shorten(repr(value), 100)}, which is no number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"grade returned {number}")
    return number


def _tell(error: BaseException) -> str:
    """Kind, message, and the line of the source that raised it."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == SOURCE
    ]
    place = f" (line {lines[-1]})" if lines else ""
    try:
        text = str(error)
    except Exception:  # Its class is foreign source too.
        text = "an error that cannot be shown"
    return _shorten(f"{type(error).__name__}: {text}", MAX_TOLD_CHARS) + place


def _shorten(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def leave() -> None:
    """End without anything that the source may have registered for the end."""
    os._exit(0)
