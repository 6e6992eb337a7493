"""Columns of prompt rows that the recipe's grader reads: are they there, do they tell rows apart.

A column that a row lacks costs the reward of every completion of it, and is found out only once
they were paid for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.config.sections.rollouts import RolloutSection
from assay.data import Record
from assay.errors import Problem
from assay.graders.template import TemplateError, compile_template
from assay.pipeline.job import Job

MIN_ROWS = 20
"""Fewer rows may well have the same value by chance."""


def find_column_problems(job: Job, parts: Mapping[str, Sequence[Record]]) -> list[Problem]:
    """Columns that the grader names and rows lack; of those that never differ a line is told."""
    objective = job.recipe.objective
    if not isinstance(objective, RolloutSection):
        return []
    rows = [row for part in parts.values() for row in part if row.role == "task" and row.is_prompt]
    names = sorted(set(list_columns(objective.graders)))
    for name in names:
        if len(rows) >= MIN_ROWS and len({_show(row.extra.get(name)) for row in rows}) == 1:
            job.progress.note(f"grader: every row has the same {name}, so all are judged alike")
    return [problem for name in names if (problem := _find_lacking(name, rows))]


def list_columns(value: Any) -> Iterator[str]:
    """The first name behind ``item`` of every template in a grader's description."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, str):
        try:
            paths = compile_template(value).paths
        except TemplateError:  # a text with braces of its own
            return
        yield from (str(path.steps[0]) for path in paths if path.root == "item" and path.steps)
    elif isinstance(value, Sequence):
        for one in value:
            yield from list_columns(one)


def _find_lacking(name: str, rows: Sequence[Record]) -> Problem | None:
    lacking = [row for row in rows if row.extra.get(name) is None]
    if not lacking:
        return None
    first = lacking[0]
    columns = ", ".join(sorted(first.extra)) or "none beside the prompt"
    return Problem(
        key=f"item.{name}",
        got=f"no value in {len(lacking)} of {len(rows)} rows, where the grader reads it",
        allowed=f"a column {name} in every row (this one has: {columns})",
        do="add it, name another in objective.grader, or drop the rows",
        file=first.file,
        line=first.line,
    )


def _show(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
