"""How a model is examined: room, length, examples, which suites, and answers kept on disk."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest

from assay.chat import load_chat_tokenizer
from assay.config import load
from assay.data import Record
from assay.errors import DataError
from assay.evaluate.items import Item
from assay.evaluate.suites import build_suite, load_builtin_suite
from assay.generate import Generation, Sampling, SequenceScore
from assay.models.base import BaseFiles, find_base
from assay.pipeline.answers import Answer, ask
from assay.pipeline.guards import load_guards, measure_suites
from assay.pipeline.job import Job
from assay.pipeline.measure import Examiner


class Parrot:
    """Says one text, which may name the place, to everything; remembers what it was asked."""

    def __init__(
        self, text: str = "yes", finish_reason: Literal["stop", "length"] = "stop"
    ) -> None:
        self.text = text
        self.finish_reason = finish_reason
        self.prompts: list[Sequence[int]] = []
        self.lengths: list[int] = []

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        on_progress: Any = None,
        *,
        places: Sequence[int] | None = None,
    ) -> list[Generation]:
        self.prompts += prompts
        self.lengths.append(sampling.max_new_tokens)
        texts = [self.text.format(place=place) for place in places or range(len(prompts))]
        return [Generation([], text, [], self.finish_reason) for text in texts]

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[str]:
        yield self.text

    def score(self, sequences: Sequence[Any]) -> list[SequenceScore]:
        return [SequenceScore(-1.0, 1.0) for _ in sequences]


@pytest.fixture(scope="module")
def tiny() -> BaseFiles:
    return find_base("tiny")


def examine(engine: Parrot, base: BaseFiles, **changes: Any) -> Examiner:
    values: dict[str, Any] = {
        "sampling": Sampling(max_new_tokens=16),
        "batch_size": 4,
        "base_dir": Path(),
        "variant": "base",
        **changes,
    }
    return Examiner(engine=engine, base=base, **values)


def item(name: str, text: str = "Right?", **changes: Any) -> Item:
    return Item(name, [{"role": "user", "content": text}], "yes", metric="exact", **changes)


def test_an_item_without_room_is_unscored_and_never_cut(tiny: BaseFiles) -> None:
    engine = Parrot()
    small = replace(tiny, context_len=60)
    answers = examine(engine, small).measure([item("a"), item("b", "word " * 80)], name="task")
    assert answers.scores["a"].value == 1.0
    assert not answers.scores["b"].scored
    assert "leaves no room in the context of 60" in answers.scores["b"].unscored_reason
    assert answers.outputs == {"a": "yes", "b": ""}
    assert len(engine.prompts) == 1


def test_a_raw_answer_ends_where_the_next_example_would_begin(tiny: BaseFiles) -> None:
    messages = [{"role": "user", "content": "Q\nA:"}, {"role": "assistant", "content": " no"}]
    shot = Record("s", messages, None, "completion", None, "f", 1, "f")
    asked = [item("a", "Right?\nA:", rendering="completion")]
    examiner = examine(Parrot(" yes\n\nWrong?\nA: no", "length"), tiny)
    few = examiner.measure(asked, name="few", shots=[shot])
    assert few.outputs["a"] == " yes"
    assert few.scores["a"].correct
    assert few.counts == {"num_ended_by_length": 0, "num_fewer_shots": 0}
    zero = examiner.measure(asked, name="zero")
    assert zero.outputs["a"].endswith("no")
    assert zero.counts == {"num_ended_by_length": 1}
    narrow = examine(Parrot(), replace(tiny, context_len=12)).measure(asked, name="n", shots=[shot])
    assert narrow.counts["num_fewer_shots"] == 1


@pytest.mark.parametrize(("longest", "of_built_in"), [(16, 64), (900, 900)])
def test_suites_of_the_recipe_have_the_recipes_length(
    tiny: BaseFiles, longest: int, of_built_in: int
) -> None:
    engine = Parrot()
    own = build_suite([item("a")], name="own", kind="retention")
    built_in = load_builtin_suite("refusal")
    built_in = replace(built_in, items=built_in.items[:1])
    examiner = examine(engine, tiny, sampling=Sampling(max_new_tokens=longest))
    measure_suites(examiner, [own, built_in])
    assert engine.lengths == [longest, of_built_in]


def make_job(recipe: Path, overrides: list[str], base: BaseFiles) -> Job:
    loaded = load(recipe, overrides).recipe
    values = {
        "recipe": loaded,
        "base": base,
        "base_dir": recipe.parent,
        "tokenizer": base.tokenizer,
    }
    return cast(Job, SimpleNamespace(**values))


def test_every_suite_is_drawn_to_the_recipes_number(recipe: Path, tiny: BaseFiles) -> None:
    rows = [{"id": str(n), "prompt": "?", "answer": "a"} for n in range(30)]
    own = recipe.parent / "own.jsonl"
    own.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    overrides = ["evaluate.suites=[own.jsonl]", "evaluate.max_items=20"]
    guards = load_guards(make_job(recipe, overrides, tiny))
    names = ["retention", "refusal", "over_refusal", "own"]
    assert [suite.name for suite in guards.suites] == names
    assert [len(suite.items) for suite in guards.suites] == [20] * 4
    drawn = [int(one.id) for one in guards.suites[-1].items]
    assert drawn == sorted(drawn)
    assert drawn != list(range(20))
    assert len({suite.sha256 for suite in guards.suites}) == 4


def test_a_base_without_a_template_is_asked_no_chats(recipe: Path, tiny: BaseFiles) -> None:
    raw = replace(tiny, tokenizer=replace(load_chat_tokenizer(tiny.folder), templates={}))
    guards = load_guards(make_job(recipe, [], raw))
    assert guards.suites == []
    assert list(guards.skipped) == ["retention", "refusal", "over_refusal"]
    assert "no chat template" in guards.skipped["refusal"]
    own = recipe.parent / "own.jsonl"
    own.write_text('{"prompt": "2+2=", "completion": " 4"}\n', encoding="utf-8")
    guards = load_guards(make_job(recipe, ["evaluate.suites=[own.jsonl]"], raw))
    assert [suite.name for suite in guards.suites] == ["own"]
    assert list(guards.skipped) == ["refusal", "over_refusal"]


def test_a_gate_that_is_off_needs_no_built_in_suite(recipe: Path, tiny: BaseFiles) -> None:
    policy = "extends: minimal\ngates: {refusal: 'off', over_refusal: 'off'}\n"
    (recipe.parent / "mine.yaml").write_text(policy, encoding="utf-8")
    guards = load_guards(make_job(recipe, ["gates=mine.yaml"], tiny))
    assert [suite.name for suite in guards.suites] == ["retention"]


@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_a_sample_follows_the_prompts_place_in_the_whole(chunk: int, tmp_path: Path) -> None:
    prompts = [[1] * n for n in (5, 2, 9, 1, 2)]
    sampling = Sampling(temperature=1.0)

    def answer(engine: Parrot) -> list[Answer]:
        log = tmp_path / "log.jsonl"
        return ask(engine, prompts, sampling, log=log, chunk=chunk, on_count=lambda *_: None)

    found = answer(Parrot("place {place}"))
    assert found == [Answer(f"place {n}", ended_by_length=False) for n in range(5)]
    again = Parrot("other")
    assert answer(again) == found
    assert again.prompts == []


def test_items_that_the_template_refuses_are_named_all_at_once(tiny: BaseFiles) -> None:
    odd = [replace(item(name), messages=[{"role": "wizard", "content": "?"}]) for name in "bc"]
    with pytest.raises(DataError) as caught:
        examine(Parrot(), tiny).measure([item("a"), *odd], name="task")
    assert [one.key for one in caught.value.problems] == [
        "task row b messages",
        "task row c messages",
    ]
