"""Splitting: nothing lost or doubled, ratios, groups, prompts apart, order without effect."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data import Record, Splits, split_records
from assay.data.keys import compute_prompt_keys
from assay.data.leak import find_leaks
from assay.data.records import Role
from assay.data.split import group_by_prompt
from assay.errors import DataError


def make(question: str, *, group: str | None = None, answer: str = "a") -> Record:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return Record(
        id=f"{question}/{answer}/{group}",
        messages=messages,
        tools=None,
        kind="chat",
        group=group,
        file="f",
        line=1,
        source="f",
    )


def conversation(*turns: str) -> Record:
    """Questions and answers in turn."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]
    return Record("/".join(turns), messages, None, "chat", None, "f", 1, "f")


def names(splits: Splits) -> dict[str, set[str]]:
    return {name: {record.id for record in part} for name, part in splits.as_dict().items()}


def sizes(splits: Splits) -> tuple[int, int, int]:
    return len(splits.train), len(splits.validation), len(splits.test)


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (100, (80, 10, 10)),
        (15, (11, 2, 2)),
        (14, (12, 1, 1)),
        (3, (1, 1, 1)),
        (1000, (800, 100, 100)),
    ],
)
def test_ratios_are_honoured_within_rounding(total: int, expected: tuple[int, int, int]) -> None:
    records = [make(str(n)) for n in range(total)]
    splits = split_records(records, validation_ratio=0.1, test_ratio=0.1, seed=0)
    assert sizes(splits) == expected


def test_ratio_zero_gives_an_empty_split() -> None:
    splits = split_records(
        [make(str(n)) for n in range(5)], validation_ratio=0, test_ratio=0, seed=0
    )
    assert sizes(splits) == (5, 0, 0)


def test_seed_decides_and_repeats() -> None:
    records = [make(str(n)) for n in range(50)]
    by_seed = [
        names(split_records(records, validation_ratio=0.2, test_ratio=0.2, seed=seed))
        for seed in (1, 1, 2)
    ]
    assert by_seed[0] == by_seed[1]
    assert by_seed[0] != by_seed[2]


def test_too_few_groups_are_refused_with_numbers() -> None:
    records = [make(str(n), group="one") for n in range(20)]
    with pytest.raises(DataError) as caught:
        split_records(records, validation_ratio=0.1, test_ratio=0.1, seed=0)
    problems = caught.value.problems
    assert [problem.key for problem in problems] == ["data.test_ratio", "data.validation_ratio"]
    assert problems[0].got == "no row for the test split: 20 rows in 1 groups"


def test_same_prompt_is_one_group_whatever_the_answer_and_the_spaces() -> None:
    records = [make("a b", answer="1"), make(" a\n b ", answer="2"), make("A b", answer="1")]
    first, second, third = group_by_prompt(records).keys
    assert first == second
    assert first != third


def test_system_prompt_does_not_part_equal_prompts() -> None:
    plain = make("q")
    system = [{"role": "system", "content": "S"}]
    led = Record("x", system + plain.messages, None, "chat", None, "f", 2, "f")
    assert len(set(group_by_prompt([plain, led]).keys)) == 1


def test_rows_that_grow_turn_by_turn_are_one_group() -> None:
    turns = ["q1", "a1", "q2", "a2", "q3", "a3"]
    records = [conversation(*turns[:end]) for end in (2, 4, 6)]
    groups = group_by_prompt(records)
    assert (len(set(groups.keys)), groups.openings) == (1, set())


def test_a_shared_opening_alone_joins_no_conversations() -> None:
    records = [conversation("hi", "hello", question, "a") for question in ("x", "y", "z")]
    assert len(set(group_by_prompt(records).keys)) == 3


@pytest.mark.parametrize("same_answer", [True, False])
def test_a_short_greeting_joins_no_conversations_that_begin_with_it(same_answer: bool) -> None:
    openings = ["hello" if same_answer else f"hello {n}" for n in range(200)]
    longer = [conversation("hi", said, f"q{n}", f"a{n}") for n, said in enumerate(openings)]
    splits = split_records(
        [make("hi", answer="hello"), *longer], validation_ratio=0.1, test_ratio=0.1, seed=0
    )
    assert sizes(splits) == (161, 20, 20)
    assert find_leaks(splits) == []
    if same_answer:
        assert "hi/hello/None" in names(splits)["train"]


def test_a_thread_of_rows_that_ends_in_an_opening_is_trained_with_it() -> None:
    """An opening of two turns, and its own first turn: all that many threads begin with."""
    first, second = conversation("hi", "hello"), conversation("hi", "hello", "menu", "a or b")
    ends = [conversation("hi", "hello", "menu", "a or b", q, "yes") for q in "abcdef"]
    splits = split_records([first, second, *ends], validation_ratio=0.2, test_ratio=0.2, seed=1)
    assert {first.id, second.id} <= names(splits)["train"]
    assert sizes(splits) == (6, 1, 1)
    assert find_leaks(splits) == []


def test_a_turn_with_the_same_prompt_and_another_answer_joins_nothing() -> None:
    records = [make("hi", answer="hey"), conversation("hi", "hello", "q", "a")]
    groups = group_by_prompt(records)
    assert (len(set(groups.keys)), groups.openings) == (2, set())


short = st.sampled_from("abcdefgh")
some_records = st.lists(
    st.builds(make, short, group=st.none() | st.sampled_from("xyz"), answer=short)
    | st.lists(short, min_size=2, max_size=6).map(
        lambda turns: conversation(*turns[: len(turns) // 2 * 2])
    ),
    max_size=40,
)
ratios = st.sampled_from([0.0, 0.1, 0.25, 0.4])


@settings(max_examples=200, deadline=None)
@given(some_records, ratios, ratios, st.integers(0, 3), st.randoms())
def test_split_properties(
    records: list[Record], validation: float, test: float, seed: int, shuffler: random.Random
) -> None:
    arguments: dict[str, Any] = {"validation_ratio": validation, "test_ratio": test, "seed": seed}
    shuffled = list(records)
    shuffler.shuffle(shuffled)
    try:
        splits = split_records(records, **arguments)
    except DataError:
        with pytest.raises(DataError):
            split_records(shuffled, **arguments)
        return
    parts = splits.as_dict()
    # Nothing is lost or doubled, and the order of reading is kept.
    assert Counter(id(r) for part in parts.values() for r in part) == Counter(map(id, records))
    place = {id(record): index for index, record in enumerate(records)}
    for part in parts.values():
        assert [place[id(record)] for record in part] == sorted(place[id(r)] for r in part)
    # Held-out splits are never larger than asked.
    assert len(splits.validation) <= max(1, validation * len(records) + 0.5)
    # No group is divided.
    for name in ("x", "y", "z"):
        assert sum(any(r.group == name for r in part) for part in parts.values()) <= 1
    # No row leaks, and no held-out row has the prompt of a trained one, where groups are left to
    # the prompts.
    own = {n: [r for r in part if r.group is None] for n, part in parts.items()}
    assert find_leaks(Splits(**own)) == []
    trained = {compute_prompt_keys(record)[-1] for record in own["train"]}
    for record in own["validation"] + own["test"]:
        assert compute_prompt_keys(record)[-1] not in trained
    # The order of rows changes nothing.
    assert names(split_records(shuffled, **arguments)) == names(splits)


def test_a_source_that_is_not_held_out_stays_in_training() -> None:
    tickets = [_record_of(f"ticket {n}", "task") for n in range(40)]
    general = [_record_of(f"general {n}", "extra") for n in range(25)]
    splits = split_records([*general, *tickets], validation_ratio=0.1, test_ratio=0.2, seed=3)
    assert [len(part) for part in splits.as_dict().values()] == [25 + 28, 4, 8]
    assert all(record.role == "task" for record in [*splits.validation, *splits.test])


def _record_of(text: str, role: Role) -> Record:
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": "yes"}]
    return Record(text, messages, None, "chat", None, "f.jsonl", 1, "f", role=role)
