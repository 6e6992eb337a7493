"""Columns that a grader reads: found in its description, and asked of every row before it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.config import load
from assay.errors import DataError
from assay.pipeline.grader_columns import list_columns
from assay.pipeline.progress import PlainProgress
from assay.pipeline.tune_run import run_tuning

GRADER: dict[str, Any] = {
    "type": "multi",
    "graders": {
        "a": {"type": "numeric", "reference": "{{ item.answer }}"},
        "b": {
            "type": "string_check",
            "operation": "eq",
            "input": "{{ sample.output_text }}",
            "reference": "{{ item.labels[0].name }} of {{item['kind']}}",
        },
    },
    "calculate_output": "0.5 * a + 0.5 * b",
}


def test_columns_are_those_behind_item_in_any_template() -> None:
    assert sorted(list_columns(GRADER)) == ["answer", "kind", "labels"]
    assert not list(list_columns({"type": "python", "source": "def grade(s, i): return {{1}}"}))


class Noted(PlainProgress):
    """Keeps the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_rows_without_them_stop_a_run_before_anything_is_sampled(recipe: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"Item {n}?"}], "kind": "k", "answer": n}
        for n in range(60)
    ]
    del rows[7]["answer"], rows[9]["answer"]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (recipe.parent / "colours.jsonl").write_text(text, encoding="utf-8")
    grader = "{type: numeric, reference: '{{ item.answer }}', input: '{{ item.kind }}'}"
    settings = [f"objective={{type: grpo, grader: {grader}}}", "evaluate.shots=[0]"]
    noted = Noted()
    with pytest.raises(DataError) as caught:
        run_tuning(load(recipe, settings), progress=noted)
    (problem,) = [one for one in caught.value.problems if one.key == "item.answer"]
    assert problem.got.startswith("no value in 2 of ") and problem.line in (8, 10)
    assert "kind" in problem.allowed
    assert "grader: every row has the same kind, so all are judged alike" in noted.notes
