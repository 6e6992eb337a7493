"""What a guard decided, as JSON lines: rules and places, and no word of a prompt or a call."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.errors import Problem, UsageError
from assay.serve.guard import Log
from assay.tools.policy import Decision


@contextmanager
def open_log(path: Path | None) -> Iterator[Log]:
    """A log that appends to `path`, which its owner alone may read, or writes to stderr.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None:
        yield lambda identity, choice, decision: _write(
            sys.stderr.write, identity, choice, decision
        )
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        got = f"{str(path)!r}, which cannot be written ({error.strerror})"
        raise UsageError(Problem(got, do="name another file", key="--log")) from error
    with os.fdopen(descriptor, "a", encoding="utf-8", buffering=1) as file:
        yield lambda identity, choice, decision: _write(file.write, identity, choice, decision)


def _write(write: Callable[[str], object], identity: str, choice: int, decision: Decision) -> None:
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "request_id": identity,
        "choice": choice,
        **decision.to_json(),
    }
    write(json.dumps(line, ensure_ascii=False) + "\n")
