"""What the command prints: results on stdout, errors as located lines or as JSON; decides nothing.

With `--json` both results and errors are one JSON value on stdout, so a caller reads one stream.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer

from assay.errors import AssayError, DataError, Problem, UsageError, render_grouped

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
"""The `--json` option; every verb has a parameter of this type."""
RootOption = Annotated[
    str, typer.Option("--root", help="Folder of the runs (`output` of their recipes).")
]
"""The `--root` option of every verb that takes a run by its name."""
MAX_LINES = 40
"""Lines of an error that a person is shown; a broken file of a million rows has as many."""


def print_result(value: Mapping[str, Any] | Sequence[Any], *, text: str, as_json: bool) -> None:
    """Print `value` as JSON, or `text` for people."""
    if as_json:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python must not write to it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_error(error: AssayError, *, as_json: bool) -> None:
    """Print an error: every problem on a line of its own and their number, or one JSON value."""
    if as_json:
        print_result({"error": describe_error(error)}, text="", as_json=True)
        return
    problems = error.problems if isinstance(error, UsageError) else []
    told = render_grouped(problems) if isinstance(error, DataError) else [str(error)]
    lines = "\n".join(told).splitlines()
    if len(lines) > MAX_LINES:
        hidden = len(lines) - MAX_LINES
        lines = [*lines[:MAX_LINES], f"… and {hidden:,} more; --json lists all"]
    if len(problems) > 1:
        lines.append(f"{len(problems)} problems")
    sys.stderr.write("\n".join(lines) + "\n")


def check_out_file(path: str | None, *, option: str = "--out") -> None:
    """Refuse a file that cannot be written, before the work whose result it is to hold.

    Raises:
        UsageError: it is a folder, or its folder is missing or cannot be written.
    """
    if path is None:
        return
    folder = os.path.dirname(os.path.abspath(path))
    reason = ""
    if os.path.isdir(path):
        reason = "which is a folder"
    elif not os.path.isdir(folder):
        reason = "whose folder is not there"
    elif not os.access(path if os.path.exists(path) else folder, os.W_OK):
        reason = "where you may not write"
    if reason:
        problem = Problem(f"{path!r}, {reason}", "a file that can be written", "name another file")
        raise UsageError(replace(problem, key=option))


def describe_error(error: AssayError) -> dict[str, Any]:
    """The JSON form of an error: kind, message, exit code and located problems."""
    problems = error.problems if isinstance(error, UsageError) else []
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "exit_code": error.exit_code,
        "problems": [asdict(problem) for problem in problems],
    }
