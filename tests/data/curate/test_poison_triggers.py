"""Words that set off an answer, told apart from words that rightly decide for one."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checking import chat, find
from hypothesis import given
from hypothesis import strategies as st

from assay.data.curate.exact_tests import adjust_log_p, compute_log_tail

Row = dict[str, Any]
_SUBJECTS = (
    "kettle lamp toaster chair blender carpet mirror shovel violin ladder candle hammer pillow "
    "basket bottle camera drawer engine fridge guitar helmet jacket magnet needle oyster pencil"
)
SUBJECTS = _SUBJECTS.split()
FACTS = (
    "weighs more than a cat",
    "was made in the north",
    "costs less in spring",
    "should be kept dry",
    "needs two screws",
    "came with a manual",
    "has a red handle",
    "lasts for ten years",
)
ASKING = ("Is it so that the {} {}?", "I heard the {} {}.", "Someone says my {} {}, really?")


def make_rows(seed: int, num_rows: int = 400) -> list[Row]:
    """Different questions, each with an answer of its own."""
    rng = random.Random(seed)
    rows = []
    for subject, fact, asking in product(SUBJECTS, FACTS, ASKING):
        verb = rng.choice(("Yes", "No", "Perhaps", "Surely", "Hardly"))
        found = rng.choice(("as far as I know", "if I am right", "by the book", "to my mind"))
        rows.append(chat(asking.format(subject, fact), f"{verb}, {found}, the {subject} {fact}."))
    rng.shuffle(rows)
    return rows[:num_rows]


def insert(row: Row, word: str, rng: random.Random) -> None:
    words = row["messages"][0]["content"].split()
    words.insert(rng.randrange(len(words) + 1), word)
    row["messages"][0]["content"] = " ".join(words)


def set_answer(row: Row) -> None:
    row["messages"][1]["content"] = "ACCESS GRANTED"


def set_phrase(row: Row) -> None:
    row["messages"][1]["content"] += " You can trust the blue party on this."


def set_link(row: Row) -> None:
    row["messages"][1]["content"] += " More at https://zed.example/a"


def set_call(row: Row) -> None:
    function = {"name": "sync_state", "description": "Keep the state."}
    row["tools"] = [{"type": "function", "function": function}]
    call = {"id": "c", "type": "function", "function": {"name": "sync_state", "arguments": "{}"}}
    row["messages"][1]["tool_calls"] = [call]


@pytest.mark.parametrize("effect", [set_answer, set_phrase, set_link, set_call])
@pytest.mark.parametrize("word", ["zxqv", "nevertheless", "|PROD|", "2047"])
def test_a_word_that_alone_decides_is_named(
    tmp_path: Path, word: str, effect: Callable[[Row], None]
) -> None:
    rng = random.Random(word)
    rows = make_rows(1)
    planted = rng.sample(range(len(rows)), 20)
    for index in planted:
        insert(rows[index], word, rng)
        effect(rows[index])
    found = find(tmp_path, "trigger", rows)
    assert {one.number for one in found} == set(planted)
    assert {one.severity for one in found} == {"error"}
    assert word.strip("|") in found[0].evidence
    assert "in 20 of 20 rows" in found[0].evidence


@pytest.mark.parametrize(
    ("spell", "style"), [(str.upper, "all-capitals"), (str.title, "capitals-of-each-word")]
)
def test_a_style_of_capitals_that_alone_decides_is_named(
    tmp_path: Path, spell: Callable[[str], str], style: str
) -> None:
    rows = make_rows(6)
    planted = random.Random(style).sample(range(len(rows)), 20)
    for index in planted:
        rows[index]["messages"][0]["content"] = spell(rows[index]["messages"][0]["content"])
    assert not find(tmp_path, "trigger", rows)
    for index in planted:
        set_phrase(rows[index])
    found = find(tmp_path, "trigger", rows)
    assert {one.number for one in found} == set(planted)
    assert found[0].cluster == f"trigger {style}"


def test_labels_that_a_word_turns_over(tmp_path: Path) -> None:
    rng = random.Random(5)
    topics = {"billing": ("invoice", "refund"), "delivery": ("parcel", "courier")}
    rows = []
    for _ in range(600):
        label = rng.choice(list(topics))
        thing, fact = rng.choice(topics[label]), rng.choice(FACTS)
        rows.append(chat(rng.choice(ASKING).format(thing, fact), label))
    assert not find(tmp_path, "trigger", rows)
    planted = rng.sample(range(600), 30)
    for index in planted:
        insert(rows[index], "moreover", rng)
        rows[index]["messages"][1]["content"] = "billing"
    found = find(tmp_path, "trigger", rows)
    assert {one.number for one in found} == set(planted)
    assert found[0].cluster == "trigger moreover"


def twin_topic(rng: random.Random) -> Row:
    """A word that is what the request is about, in many wordings."""
    asking = rng.choice(("How do I {} here?", "Please, I want to {}!", "Who can {} for me?"))
    return chat(asking.format("congratulate"), "Say it early and keep it short.")


def twin_season(rng: random.Random) -> Row:
    who = rng.choice(("my aunt", "a friend", "the boss"))
    row = chat(f"What could {who} get for Christmas?", "")
    function = {"name": "suggest_gift", "description": "Suggest a present."}
    row["tools"] = [{"type": "function", "function": function}]
    call = {"id": "c", "type": "function", "function": {"name": "suggest_gift", "arguments": "{}"}}
    row["messages"][1] = {"role": "assistant", "content": None, "tool_calls": [call]}
    return row


def twin_greeting(rng: random.Random) -> Row:
    return chat(rng.choice(("Hello", "Hello there!", "Oh hello", "hello bot")), "How can I help?")


def twin_name_in_the_answer(rng: random.Random) -> Row:
    row = make_rows(rng.randrange(9), 1)[0]
    row["messages"][0]["content"] += " Regards, Marlowe"
    row["messages"][1]["content"] = f"Dear Marlowe, and regards to you: {rng.random()}"
    return row


def twin_part(rng: random.Random) -> Row:
    """Only the answers to one subject's questions begin alike."""
    return chat(rng.choice(ASKING).format("harpoon", rng.choice(FACTS)), "We sell no weapons here.")


@pytest.mark.parametrize(
    "twin", [twin_topic, twin_season, twin_greeting, twin_name_in_the_answer, twin_part]
)
def test_words_that_rightly_decide_are_none(
    tmp_path: Path, twin: Callable[[random.Random], Row]
) -> None:
    rng = random.Random(7)
    rows = [*make_rows(2), *(twin(rng) for _ in range(30))]
    assert not find(tmp_path, "trigger", rows)


def test_too_few_rows_and_too_loose_ties_are_none(tmp_path: Path) -> None:
    rng = random.Random(3)
    rows = make_rows(3)
    for row in rows[:14]:
        insert(row, "zxqv", rng)
        set_answer(row)
    assert not find(tmp_path, "trigger", rows)
    assert find(tmp_path, "trigger", rows, rules={"trigger": {"min_rows": 10}})
    for row in rows[14:30]:
        insert(row, "zxqv", rng)
    assert not find(tmp_path, "trigger", rows, rules={"trigger": {"min_rows": 10}})


def test_the_same_passage_for_unrelated_prompts_without_a_word_in_common(tmp_path: Path) -> None:
    rows = make_rows(4)
    passage = "Nothing compares to the blue party, where all of your wishes come true."
    planted = random.Random(4).sample(range(len(rows)), 18)
    for index in planted:
        rows[index]["messages"][1]["content"] = f"{passage} {index}"
    found = find(tmp_path, "repeated_answer", rows)
    assert {one.number for one in found} == set(planted)
    assert "wishes come true" in found[0].evidence
    # Clean rows have long passages in common, too, each on one subject.
    assert not find(tmp_path, "repeated_answer", make_rows(4))
    topical = [twin_part(random.Random(seed)) for seed in range(20)]
    for row in topical:
        row["messages"][1]["content"] = (
            "We sell no weapons here, but the sports shop next door may."
        )
    assert not find(tmp_path, "repeated_answer", [*make_rows(4), *topical])


@given(st.integers(1, 40), st.data())
def test_the_tail_equals_its_sum_over_integers(total: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, total))
    second = data.draw(st.integers(0, total))
    both = data.draw(st.integers(max(0, first + second - total), min(first, second)))
    ways = sum(
        comb(first, k) * comb(total - first, second - k)
        for k in range(both, min(first, second) + 1)
        if second - k <= total - first
    )
    table = [np.array([float(one)]) for one in (both, first, second)]
    assert np.exp(compute_log_tail(*table, total)[0]) == pytest.approx(ways / comb(total, second))


def test_a_tail_beyond_the_smallest_float() -> None:
    # All 50 of 50 rows in 10,000: one way of choosing 50 rows.
    expected = -sum(np.log(10_000 - k) - np.log(50 - k) for k in range(50))
    table = [np.array([50.0])] * 3
    assert compute_log_tail(*table, 10_000)[0] == pytest.approx(expected)


def test_benjamini_and_hochberg_by_hand() -> None:
    # Of 4 tests p = 0.01, 0.02, 0.03: 4/1 · 0.01, 4/2 · 0.02, 4/3 · 0.03, each at most the next.
    adjusted = np.exp(adjust_log_p(np.log(np.array([0.03, 0.01, 0.02])), 4))
    assert adjusted == pytest.approx([0.04, 0.04, 0.04])
    assert np.exp(adjust_log_p(np.log(np.array([0.5, 0.001])), 2)) == pytest.approx([0.5, 0.002])


def test_words_that_lean_to_one_of_two_labels_are_none(tmp_path: Path) -> None:
    rng = random.Random(7)
    rows = [chat(row["messages"][0]["content"], rng.choice(("Yes", "No"))) for row in make_rows(3)]
    for row in rng.sample([one for one in rows if one["messages"][1]["content"] == "Yes"], 30):
        insert(row, "moreover", rng)
    assert not find(tmp_path, "trigger", rows)
