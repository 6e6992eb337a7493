"""Passages of held-out rows in training rows that are put together from stock sentences."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from checking import Row, chat, check

from assay.data.curate import Finding, list_rules

OTHERS_OFF = {name: "off" for name in list_rules() if name != "overlapping_text"}
_DRAW = random.Random(3)


def write_stock(name: str, count: int) -> list[str]:
    """Sentences of eight words, no two alike."""
    return [
        f"{name}{one} " + " ".join(f"w{_DRAW.randrange(9_000)}" for _ in range(7)) + "."
        for one in range(count)
    ]


ASKS, SAYS = write_stock("a", 30), write_stock("s", 20)


def draw_row() -> Row:
    """A question of six sentences and an answer of three; two rows often share two in a row."""
    return chat(" ".join(_DRAW.sample(ASKS, 6)), " ".join(_DRAW.sample(SAYS, 3)))


TRAIN = [draw_row() for _ in range(400)]
TEST = [draw_row() for _ in range(50)]


def find(folder: Path, rows: Sequence[Row], test: Sequence[Row] = TEST) -> list[Finding]:
    return list(check(folder, rows, rules=OTHERS_OFF, test=test).findings)


def count_neighbours(rows: Sequence[Row]) -> int:
    """Rows whose question holds two sentences side by side that a held-out question holds so."""
    held = " | ".join(row["messages"][0]["content"] for row in TEST)
    pairs = (
        [f"{one} {two}" for one in ASKS for two in ASKS if f"{one} {two}" in held] if held else []
    )
    return sum(any(pair in row["messages"][0]["content"] for pair in pairs) for row in rows)


def test_stock_sentences_side_by_side_are_no_leak(tmp_path: Path) -> None:
    assert count_neighbours(TRAIN) > 150
    assert len(find(tmp_path, TRAIN)) <= 4


def test_a_held_out_question_within_an_answer_is_one(tmp_path: Path) -> None:
    """Where no answer speaks like a question, a short passage of one is enough."""
    words = TEST[7]["messages"][0]["content"].split()[4:22]
    leak = chat("What did they write?", f"They wrote: {' '.join(words)}")
    found = [one for one in find(tmp_path, [*TRAIN, leak]) if one.line == 401]
    assert [one.related[0].rsplit("/", 1)[-1] for one in found] == ["test.jsonl:8"]
    assert found[0].span is not None and found[0].span.text == " ".join(words)
    # Twelve sequences of eight words, of which the sentences' own two are common.
    assert "a passage of 18 words" in found[0].evidence


def test_a_long_passage_is_told_in_any_place(tmp_path: Path) -> None:
    asked = " ".join(TEST[9]["messages"][0]["content"].split()[:34])
    found = find(tmp_path, [*TRAIN, chat(f"{asked} {ASKS[0]}", SAYS[0])])
    assert 401 in {one.line for one in found}


def test_rows_that_share_no_stock_are_judged_as_ever(tmp_path: Path) -> None:
    """Thirteen words in place, where other training rows share nothing."""
    rows = [
        chat(" ".join(f"r{_DRAW.randrange(10**6)}" for _ in range(40)), "no") for _ in range(120)
    ]
    held = rows[100:]
    passage = " ".join(held[4]["messages"][0]["content"].split()[5:18])
    found = find(tmp_path, [*rows[:100], chat(f"Before {passage} after", "no")], held)
    assert [(one.line, one.rule) for one in found] == [(101, "overlapping_text")]


def test_what_customers_often_write_tells_of_a_leak_in_an_answer(tmp_path: Path) -> None:
    """Thirteen words around a sentence that a fifth of the questions hold, and no answer does."""
    words = TEST[11]["messages"][0]["content"].split()[4:17]
    leak = chat("What did they write?", f"They wrote: {' '.join(words)}")
    found = [one for one in find(tmp_path, [*TRAIN, leak]) if one.line == 401]
    assert [one.related[0].rsplit("/", 1)[-1] for one in found] == ["test.jsonl:12"]
    assert found[0].span is not None and found[0].span.text == " ".join(words)


def test_a_question_of_common_sentences_is_like_no_other(tmp_path: Path) -> None:
    """Two words changed where sentences meet: 42 of 50 sequences of three words are in both, and 36
    of 44 without the six of one sentence that many rows hold."""
    words = TEST[13]["messages"][0]["content"].split()
    words[7:9] = "changed", "here"
    rows = [*TRAIN, chat(" ".join(words), SAYS[0])]
    off = {name: "off" for name in list_rules() if name != "near_leaked_row"}
    (found,) = check(tmp_path, rows, rules=off, test=TEST).findings
    assert found.line == 401 and found.related[0].endswith("test.jsonl:14")
    assert found.evidence.startswith("82% of the 3-word sequences asked")
