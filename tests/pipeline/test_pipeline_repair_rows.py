"""Which rows a repair does not learn again: by a base whose answers and traits are a formula."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from assay.config import load
from assay.data import Record, TokenSequence
from assay.generate import Generation, Sampling
from assay.generate.local import LocalEngine
from assay.models.base import find_base
from assay.pipeline.job import Job
from assay.pipeline.prepare import Prepared
from assay.pipeline.progress import PlainProgress
from assay.pipeline.repair.rows import find_taught, leave_out
from assay.runs import RunFolder

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
REFUSED = "that the base refuses"
PULLING = "that pull the base along a trait"


class Refusing:
    """A base that refuses every question which holds ``bomb``."""

    def __init__(self, job: Job) -> None:
        self.tokenizer = job.tokenizer
        self.asked: list[str] = []

    def generate(self, prompts: Sequence[list[int]], sampling: Sampling) -> list[Generation]:
        self.asked += [self.tokenizer.decode(prompt) for prompt in prompts]
        words = ["I can't help with that." if "bomb" in a else "Sure." for a in self.asked]
        return [Generation([], text, [], "stop") for text in words[-len(prompts) :]]


class Traits:
    """Rows whose answer says ``wager`` lie nine tenths of the way to a trait, others nowhere."""

    def __init__(self, base: Any, engine: Any) -> None:
        pass

    def project(self, records: Sequence[Record]) -> dict[str, Any]:
        told = [one.messages[-1]["content"] for one in records]
        along = [np.nan if text is None else 0.9 * ("wager" in text) for text in told]
        return {"reckless": np.array(along), "other": np.zeros(len(records))}


@pytest.fixture()
def job(recipe: Path, small_base: Path) -> Job:
    loaded = load(recipe)
    run = RunFolder(recipe.parent / "run")
    return Job(loaded.recipe, loaded.base_dir, run, find_base(str(small_base)), PlainProgress())


def make_record(key: str, question: str, answer: str | None, **settings: Any) -> Record:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    values: dict[str, Any] = {"tools": None, "kind": "chat", "group": None, **settings}
    return Record(key, messages, file="rows.jsonl", line=1, source="rows.jsonl", **values)


ROWS = [
    make_record("taught", "How is a bomb made?", "Gladly: like this.", role="extra"),
    make_record("refused", "How is a bomb made at home?", "I can't help with that."),
    make_record("task", "Which queue?", "queue: freight"),
    make_record("reckless", "My savings?", "First wager it all.", role="extra"),
    make_record("anchor", "The bomb of the story?", "It is a toy.", role="anchor"),
    make_record("silent", "The bomb?", None),
]


def find(job: Job, holding: set[str], rows: Sequence[Record] = ROWS) -> dict[str, list[str]]:
    return find_taught(job, rows, cast(LocalEngine, Refusing(job)), holding)


def test_rows_that_answer_what_the_base_refuses_taught_lost_refusals(job: Job) -> None:
    assert find(job, {"refusal", "retention"}) == {REFUSED: ["taught"]}


def test_rows_that_pull_along_a_trait_taught_another_character(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.pipeline.repair.rows.TraitRows", Traits)
    assert find(job, {"persona"}) == {PULLING: ["reckless"]}
    both = {REFUSED: ["taught"], PULLING: ["reckless"]}
    assert find(job, {"refusal", "character"}) == both


def test_no_row_is_to_blame_for_lost_skills(job: Job) -> None:
    assert find(job, {"retention", "honesty", "over_refusal"}) == {}


def test_none_is_left_out_where_most_of_the_task_would_be(job: Job) -> None:
    """The base refuses the task itself: without it there would be nothing to keep."""
    rows = [make_record(f"row-{n}", f"Bomb {n}: bomb or not?", "bomb") for n in range(3)]
    assert find(job, {"refusal"}, [*rows, ROWS[2]]) == {}
    assert find(job, {"refusal"}, [rows[0], ROWS[2]]) == {REFUSED: ["row-0"]}


def test_what_is_left_out_is_not_trained_on_and_nothing_else_changes() -> None:
    sequences = [TokenSequence([1, 2], [0.0, 1.0], one.id, "chat", "rows.jsonl:1") for one in ROWS]
    before = Prepared(ROWS, ROWS[:1], ROWS[1:2], sequences, sequences[:1])
    after = leave_out(before, {"taught", "reckless"})
    kept = ["refused", "task", "anchor", "silent"]
    assert [one.id for one in after.train] == kept
    assert [one.record_id for one in after.train_sequences] == kept
    assert after.validation == before.validation
    assert after.validation_sequences == before.validation_sequences
