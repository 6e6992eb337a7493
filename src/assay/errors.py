"""The error tree and the exit codes; it knows nothing of what goes wrong.

AssayError                   exit 1   our bug, unless a subclass says otherwise
├── UsageError               exit 2   the user's input, as a list of located problems
│   ├── ConfigError          exit 2   the recipe, an override, a policy file
│   └── DataError            exit 2   a data file or a row of it
├── CheckpointError          exit 2   a run or checkpoint that cannot be resumed or read
├── GenerationError          exit 1   sampling failed
├── EvaluationError          exit 1   a suite or metric failed to be measured
├── TrainingError            exit 1   a non-finite loss, a failed self-test
│   └── LostRanksError       exit 1   another process of the same training is gone, or hangs
├── ReleaseError             exit 3   a run that may not be released, a signature that is wrong
└── ResourceError            exit 4   out of memory or disk
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_HELD = 3
EXIT_RESOURCE = 4
EXIT_CANCELLED = 130

MIN_ROWS, MAX_ROWS = 3, 30
"""Of problems that are told in one line, and of their rows that it names."""


@dataclass(frozen=True)
class Problem:
    """One located mistake of the user's: where, what was got, what is allowed, what to do.

    `file`, `line` and `column` (both from 1) may be unknown; `key` is a dotted recipe key, a row
    id or a column name. Printed as ``file:line:column key: got …, allowed …, do …``.
    """

    got: str
    allowed: str = ""
    do: str = ""
    file: str = ""
    line: int | None = None
    column: int | None = None
    key: str = ""

    def __str__(self) -> str:
        numbers = [str(n) for n in (self.line, self.column) if n is not None]
        place = ":".join([self.file, *numbers] if self.file else numbers)
        head = " ".join(part for part in (place, self.key) if part)
        parts = [f"got {self.got}"]
        if self.allowed:
            parts.append(f"allowed {self.allowed}")
        if self.do:
            parts.append(f"do {self.do}")
        return f"{head}: {', '.join(parts)}" if head else ", ".join(parts)


def render_grouped(problems: Sequence[Problem]) -> list[str]:
    """A line for each problem of rows, but one for three or more that differ in their rows alone.

    It has the rows by line, else by `key`, and the place of the first of them.
    """
    groups: dict[tuple[str, str, str, str], list[Problem]] = {}
    for one in problems:
        groups.setdefault((one.file, one.got, one.allowed, one.do), []).append(one)
    lines: list[str] = []
    for group in groups.values():
        lines += map(str, group) if len(group) < MIN_ROWS else [_render_group(group)]
    return lines


def _render_group(group: Sequence[Problem]) -> str:
    first = group[0]
    by_line = all(one.line is not None for one in group)
    rows = [str(one.line) if by_line else one.key for one in group]
    more = f" and {len(rows) - MAX_ROWS:,} more" if len(rows) > MAX_ROWS else ""
    told = f"{'lines ' if by_line else ''}{', '.join(rows[:MAX_ROWS])}{more}"
    named = Problem(first.got, first.allowed, first.do)
    place = f"{first.file} " if first.file else ""
    return f"{place}{len(group):,} rows ({told}): {named}"


class AssayError(Exception):
    """Base of every error that Assay raises on purpose; `exit_code` is what the command returns."""

    exit_code = EXIT_BUG


class UsageError(AssayError, ValueError):
    """The user's input is wrong; `problems` holds every mistake found, not only the first."""

    exit_code = EXIT_USAGE

    def __init__(self, problems: Sequence[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = [Problem(got=problems)]
        elif isinstance(problems, Problem):
            problems = [problems]
        self.problems: list[Problem] = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigError(UsageError):
    """The recipe, an override or a policy file is wrong."""


class DataError(UsageError):
    """A data file, or rows of it, cannot be used."""


class CheckpointError(AssayError, RuntimeError):
    """A run or a checkpoint cannot be resumed or read."""

    exit_code = EXIT_USAGE


class GenerationError(AssayError, RuntimeError):
    """Sampling or scoring text with a model failed."""


class EvaluationError(AssayError, RuntimeError):
    """A suite or a metric could not be measured."""


class TrainingError(AssayError, RuntimeError):
    """Training stopped itself: a non-finite loss or gradient, or a failed self-test."""


class LostRanksError(TrainingError):
    """A process that trains with others has lost one: it is gone, or hangs."""


class ReleaseError(AssayError, RuntimeError):
    """A run may not be released, or a release does not verify."""

    exit_code = EXIT_HELD


class ResourceError(AssayError, MemoryError):
    """Memory or disk ran out; nothing that was written before is lost."""

    exit_code = EXIT_RESOURCE
