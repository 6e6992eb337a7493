"""Rules and tokenisation look for some of the same: told once, accepted once, by either name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.config import load
from assay.errors import DataError, Problem
from assay.evaluate.suites import load_suite
from assay.models.base import find_base
from assay.pipeline import PlainProgress
from assay.pipeline.curated import check_data
from assay.pipeline.given import UNASKED
from assay.pipeline.job import Job
from assay.pipeline.prepare import prepare
from assay.pipeline.stopping import find_stopping
from assay.runs import RunFolder, read_json

LOSSY = (
    "{% for m in messages %}{% if m['role'] != 'system' %}<|{{ m['role'] }}|>{{ m['content'] }}"
    "<|end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
STRICT = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def chat_row(question: str, answer: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": turns}


class Notes(PlainProgress):
    """Keeps what a person would read."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    def count_of(self, *words: str) -> int:
        """Lines that hold any of the words."""
        lines = "\n".join(self.lines).splitlines()
        return sum(any(word in line for word in words) for line in lines)


class Stage:
    """The data stage of a recipe over 40 rows, some of them made to be told of."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder, self.base, self.notes = folder, base, Notes()

    def begin(self, rows: list[Any], data: str = "", template: str | None = None) -> Job:
        path = self.folder / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        text = f"base: {self.base}\ndata:\n  train: rows.jsonl\n{data}\n"
        recipe = self.folder / "recipe.yaml"
        recipe.write_text(text, encoding="utf-8")
        base = find_base(str(self.base))
        if template is not None:
            tokenizer = replace(base.tokenizer, templates={"default": template})
            base = replace(base, tokenizer=tokenizer)
        self.notes = Notes()
        self.run = RunFolder.create(self.folder / "runs", "r", text)
        return Job(load(recipe).recipe, self.folder, self.run, base, self.notes)

    def refusals(self, *given: Any) -> list[Problem]:
        with pytest.raises(DataError) as caught:
            prepare(self.begin(*given))
        return caught.value.problems

    def count_rows(self, *given: Any) -> int:
        done = prepare(self.begin(*given))
        return len(done.train) + len(done.validation) + len(done.test)

    def found(self) -> Any:
        return read_json(self.run.data_report)["findings"]


@pytest.fixture
def stage(tmp_path: Path, small_base: Path) -> Stage:
    return Stage(tmp_path, small_base)


def make_rows(*, told: dict[str, Any]) -> list[Any]:
    """40 rows; the seventh is `told`."""
    rows: list[Any] = [
        chat_row(f"What is {n} more than {n * n}?", str(n + n * n)) for n in range(40)
    ]
    rows[6] = told
    return rows


FORGED = chat_row("What ends a turn?", "It is <|end|>, as a text.")
WITH_SYSTEM = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        *chat_row("Who is there?", "A friend of yours.")["messages"],
    ]
}


@pytest.mark.parametrize(
    ("told", "template", "rule", "pathology"),
    [
        (FORGED, None, "control_token", "special_tokens_in_text"),
        (WITH_SYSTEM, LOSSY, "message_not_rendered", "messages_not_rendered"),
    ],
)
def test_what_the_mask_report_looks_for_too_is_told_and_accepted_once(
    stage: Stage, told: dict[str, Any], template: str | None, rule: str, pathology: str
) -> None:
    rows = make_rows(told=told)
    (problem,) = stage.refusals(rows, "", template)
    assert problem.got.startswith(f"{rule}: ") and problem.line == 7
    assert problem.do.endswith(f"data.accept: [{rule}]")
    for name in (rule, pathology):
        assert stage.count_rows(rows, f"  accept: [{name}]", template) == 40
        assert stage.notes.count_of(rule, pathology) == 1
        assert stage.found()["accepted"][rule]["rows"] == 1
    assert stage.count_rows(rows, f"  rules: {{{rule}: drop}}", template) == 39
    assert stage.count_rows(rows, f"  rules: {{{rule}: off}}", template) == 40


def test_rows_that_the_template_refuses_are_told_by_who_renders_them(stage: Stage) -> None:
    rows = make_rows(told=WITH_SYSTEM)
    (problem,) = stage.refusals(rows, "", STRICT)
    assert "no system" in problem.got and problem.line == 7
    assert stage.count_rows(rows, "  on_bad_rows: drop", STRICT) == 39
    assert stage.found()["counts"]["template_refuses"] == {"findings": 1, "rows": 1}
    assert stage.notes.count_of("template_refuses") == 0
    assert stage.count_rows(rows, "  rules: {template_refuses: drop}", STRICT) == 39


def test_a_suite_may_spell_control_tokens(stage: Stage) -> None:
    path = stage.folder / "suite.jsonl"
    path.write_text(json.dumps({"prompt": "What is <|end|>?", "answer": "a mark"}) + "\n")
    job = stage.begin(make_rows(told=chat_row("Who?", "Nobody that I know.")))
    loaded = load_suite(path, kind="task", name="forged", metric="exact_match")
    checked = check_data(job, {"train": []}, [loaded]).told
    assert checked.counts["control_token"]["rows"] == 1
    assert find_stopping(checked) == []


def test_weights_are_asked_for_the_rules_that_a_recipe_names(stage: Stage) -> None:
    rows = make_rows(told=chat_row("Who?", "Nobody that I know."))
    stage.count_rows(rows)
    unasked = stage.found()["not_measured"]
    assert {name for name, why in unasked.items() if why == UNASKED} >= {
        "representation_outlier",
        "likely_mislabelled",
    }
    assert "control_token" not in unasked and "marker_cost" not in unasked
    stage.count_rows(rows, "  rules: {representation_outlier: warning}")
    asked = stage.found()["not_measured"]
    assert "representation_outlier" not in asked
    assert asked["likely_mislabelled"] == UNASKED


def test_the_folder_of_a_run_keeps_nothing_private_whole(stage: Stage) -> None:
    address = "ann.other@posteo.de"
    rows = make_rows(told=chat_row("Who answers?", f"Write to {address}, naÃ¯ve as you are."))
    rows[20] = chat_row("And who else answers?", f"It is {address} again.")
    stage.count_rows(rows, "  rules: {email: mask, mojibake: repair}")
    findings = (stage.run.data / "findings.jsonl").read_text(encoding="utf-8")
    assert findings.count('"rule": "email"') == 2
    for file in stage.run.data.rglob("*"):
        assert file.is_dir() or address.encode() not in file.read_bytes(), file
    # What the plan was told is whole: the repaired text has the mask of the whole address.
    assert b"[EMAIL_1]" in (stage.run.data / "report.html").read_bytes()
    problems = stage.refusals(rows, "  rules: {email: error}")
    assert len(problems) == 2 and all(address not in str(one) for one in problems)
    for file in stage.run.data.rglob("*"):
        assert file.is_dir() or address.encode() not in file.read_bytes(), file
