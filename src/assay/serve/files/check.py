"""Training files at the door: is every line a JSON object? What rows mean is asked by the job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from assay.data.lines import read_jsonl
from assay.errors import DataError, Problem, render_grouped

MAX_PROBLEMS = 1000
"""Problems that are kept of a file; a broken one has as many as lines."""


@dataclass(frozen=True)
class CheckedLines:
    """Rows of a file, and what is wrong with lines, in words; "" where nothing is."""

    num_rows: int
    details: str


def check_lines(path: Path, name: str) -> CheckedLines:
    """Read a JSONL file once, line by line; `name` stands for it in what is told."""
    count, problems = 0, list[Problem]()
    try:
        with open(path, "rb") as stream:
            for row in read_jsonl(stream, name):
                count += 1
                if isinstance(row, Problem) and len(problems) < MAX_PROBLEMS:
                    problems.append(row)
    except DataError as error:
        problems += error.problems
    if not count and not problems:
        problems.append(Problem("no rows", "one JSON object a line", file=name))
    return CheckedLines(count, "\n".join(render_grouped(problems)))
