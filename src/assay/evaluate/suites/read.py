"""Reads a JSONL suite file into items, with every bad row located; it settles no metric.

A row is ``{"prompt" or "messages": …, "answer" | "answers" | "reference": …}`` with, as wanted,
``id, metric, kind, system, tools, group, category, refusal_markers, extra``. `messages` may end
with the gold answer instead. Rows of kind refusal and over_refusal need no answer. A row with
``"choices": [text, …], "golds": [place, …]`` is scored by probability and needs none either;
without a prompt its choices are whole texts. A row
``{"prompt": …, "completion": …}`` is raw text, as it is in data files: no template touches it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from assay.errors import DataError, Problem
from assay.evaluate.items import Item, Kind
from assay.evaluate.suites.rows import build_item, find_row_problems


def read_items(path: Path, *, suite: str, kind: Kind) -> list[Item]:
    """The items of a suite file.

    Raises DataError with every problem: no such file, broken JSON, a line that is not UTF-8,
    unknown keys, no prompt, no gold answer, a doubled id, another kind, an unknown metric.
    """
    problems: list[Problem] = []
    items: list[Item] = []
    first_lines: dict[str, int] = {}
    for number, line in enumerate(_read_lines(path), start=1):
        if not line.strip():
            continue
        row, found = _parse_line(line)
        if not found:
            found = find_row_problems(row, kind=kind)
        if not found:
            item = build_item(row, suite=suite, number=number)
            first = first_lines.setdefault(item.id, number)
            items.append(item)
            if first != number:
                got = f"id {item.id!r} a second time (first in line {first})"
                found = [Problem(got=got, do="give each row an id of its own", key="id")]
        problems += [_at(problem, path, number) for problem in found]
    if not items and not problems:
        problems = [Problem(got="no row", do="write one JSON object a line", file=str(path))]
    if problems:
        raise DataError(problems)
    return items


def _read_lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")
    except OSError as error:
        got = error.strerror or str(error)
        raise DataError(Problem(got=got, do="correct the suite's path", file=str(path))) from error


def _parse_line(line: bytes) -> tuple[dict[str, Any], list[Problem]]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        got = f"a byte that is not UTF-8 at position {error.start + 1}"
        return {}, [Problem(got=got, do="save the file as UTF-8")]
    except (json.JSONDecodeError, RecursionError) as error:
        column = error.colno if isinstance(error, json.JSONDecodeError) else None
        return {}, [Problem(got="broken JSON", do="correct the row", column=column)]
    if not isinstance(row, dict):
        return {}, [Problem(got=f"a {type(row).__name__}", allowed="a JSON object")]
    return row, []


def _at(problem: Problem, path: Path, line: int) -> Problem:
    return Problem(
        got=problem.got,
        allowed=problem.allowed,
        do=problem.do,
        file=str(path),
        line=line,
        column=problem.column,
        key=problem.key,
    )
