"""Progress and errors from one process to another, as JSON lines on a pipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TextIO

from assay import errors
from assay.errors import AssayError, Problem, UsageError
from assay.pipeline.progress import Progress

CALLS = ("stage", "note", "count", "step", "end")


class RelayedProgress:
    """Writes every call as a line that `replay` turns into the call again."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def stage(self, name: str, title: str) -> None:
        self._send("stage", name, title)

    def note(self, text: str) -> None:
        self._send("note", text)

    def count(self, what: str, done: int, total: int) -> None:
        self._send("count", what, done, total)

    def step(self, record: dict[str, Any], num_steps: int) -> None:
        self._send("step", record, num_steps)

    def end(self, error: AssayError) -> None:
        """Say why this process ends."""
        problems = [asdict(one) for one in error.problems] if isinstance(error, UsageError) else []
        self._send("end", type(error).__name__, str(error), problems)

    def _send(self, call: str, *arguments: Any) -> None:
        self.stream.write(json.dumps([call, *arguments]) + "\n")
        self.stream.flush()


class NoProgress:
    """Progress of a process that is one of several: the first speaks for all."""

    def stage(self, name: str, title: str) -> None: ...
    def note(self, text: str) -> None: ...
    def count(self, what: str, done: int, total: int) -> None: ...
    def step(self, record: dict[str, Any], num_steps: int) -> None: ...


def parse_line(line: str) -> tuple[str, list[Any]]:
    """The name and arguments of the call that a line stands for; any other line is a note."""
    try:
        call, *arguments = json.loads(line)
    except (ValueError, TypeError):
        call = ""
    if call not in CALLS:
        return "note", [line.rstrip("\n")]
    return call, arguments


def rebuild_error(kind: str, message: str, problems: list[dict[str, Any]]) -> AssayError:
    """The error that `RelayedProgress.end` was given."""
    error: AssayError = getattr(errors, kind)(
        [Problem(**one) for one in problems] if problems else message
    )
    return error


def replay(call: str, arguments: list[Any], progress: Progress) -> None:
    """Make a call that `parse_line` gave."""
    calls: dict[str, Callable[..., None]] = {
        "stage": progress.stage,
        "note": progress.note,
        "count": progress.count,
        "step": progress.step,
    }
    calls[call](*arguments)
