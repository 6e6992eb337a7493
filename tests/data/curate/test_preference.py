"""Rules of pairs and ratings: each found where it is planted, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from checking import check, find

from assay.config import SourceConfig
from assay.data.curate.masks import put_text
from assay.data.curate.parts import read_parts


def pair(question: str, chosen: str, rejected: str) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": question}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def rated(question: str, answer: str, label: bool) -> dict[str, Any]:
    return {"prompt": question, "completion": answer, "label": label}


def test_a_pair_of_equal_answers_is_found(tmp_path: Path) -> None:
    rows = [pair("a", "yes", "no"), pair("b", "yes  sir", "yes sir"), pair("c", "no", "yes")]
    (finding,) = find(tmp_path, "equal_answers", rows)
    assert (finding.line, finding.fix) == (2, "drop")


def test_both_rows_of_a_swapped_pair_are_found_with_the_other(tmp_path: Path) -> None:
    rows = [pair("a", "x", "y"), pair("a", "y", "x"), pair("a", "x", "z"), pair("b", "y", "x")]
    found = find(tmp_path, "contradicting_preferences", rows)
    assert [(one.line, one.related[0].rsplit(":")[-1]) for one in found] == [(1, "2"), (2, "1")]


def test_an_answer_rated_both_ways_is_found(tmp_path: Path) -> None:
    rows = [rated("a", "x", True), rated("a", "x", False), rated("a", "y", False)]
    assert [one.line for one in find(tmp_path, "contradicting_preferences", rows)] == [1, 2]


def test_a_pair_that_stands_twice_is_a_copy_and_contradicts_nothing(tmp_path: Path) -> None:
    checked = check(tmp_path, [pair("a", "x", "y"), pair("a", "x", "y"), pair("a", "x", "z")])
    rules = [(one.rule, one.line) for one in checked.findings if one.severity != "info"]
    assert ("exact_duplicate", 2) in rules
    assert not any(rule == "contradicting_preferences" for rule, _ in rules)


def test_length_is_told_where_it_decides_most_pairs(tmp_path: Path) -> None:
    longer = [pair(f"q{n}", f"a long answer {n}", "short") for n in range(45)]
    shorter = [pair(f"p{n}", "short", f"a long answer {n}") for n in range(5)]
    (finding,) = find(tmp_path, "length_preference", [*longer, *shorter])
    assert "the longer answer is the chosen one in 90% of 50 pairs" in finding.evidence
    assert find(tmp_path, "length_preference", [*longer, *shorter * 3]) == []
    assert find(tmp_path, "length_preference", longer[:39]) == []


def test_what_must_not_be_in_a_row_is_found_in_a_rejected_answer_and_masked_there(
    tmp_path: Path,
) -> None:
    rows = [pair("a", "Ask the desk.", "Write to maria.huber@example-bank.com now.")]
    (finding,) = find(tmp_path, "email", rows, rules={"email": {"severity": "warning"}})
    assert finding.span is not None
    assert finding.span.path == "rejected[0].content"
    parts = {"train": [SourceConfig(path="train.jsonl")]}
    (read,) = read_parts(parts, base_dir=tmp_path)
    assert read.record is not None
    changed = put_text(read.record, finding.span.path, "Write to <EMAIL_1> now.")
    assert changed.rejected == [{"role": "assistant", "content": "Write to <EMAIL_1> now."}]
    assert changed.messages == read.record.messages


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("The lamp costs 9 euros. [[A]]", "'[[A]]'"),
        ("[[B>>A]]", "'[[B>>A]]'"),
        ("It opens at nine.\n\nRating: [[8]]", "'[[8]]'"),
        ("Score: 7/10\nIt opens at nine.", "'Score: 7/10'"),
        ("**Overall rating:** 4.5 out of 5", "4.5 out of 5"),
        ("Response A is clearly better than the other.", "is clearly better"),
        ("[The Start of Assistant B's Answer] It opens at nine.", "Assistant B's Answer"),
        ("Chosen response: It opens at nine.", "'Chosen response:'"),
    ],
)
def test_what_a_judge_left_is_found_in_either_answer(
    tmp_path: Path, answer: str, what: str
) -> None:
    rows = [
        pair("When?", answer, "It opens at ten."),
        pair("When today?", "It opens at eight.", answer),
        rated("When, please?", answer, False),
    ]
    found = find(tmp_path, "judge_trace", rows[:2])
    assert [one.line for one in found] == [1, 2]
    assert all(what in one.evidence for one in found)
    assert [one.line for one in find(tmp_path, "judge_trace", rows[2:])] == [1]


def test_judgements_that_were_asked_for_are_none(tmp_path: Path) -> None:
    rows = [
        pair("Rate this poem.", "Score: 7/10", "Score: 2/10"),
        pair("Which answer is better? A: yes. B: no.", "[[A]]", "[[B]]"),
        pair("What did the band play?", "It scored a hit: 9 out of 10 knew it.", "[A] song"),
        pair("Who won?", "Team A was better.", "Model B of the car won."),
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "[[A]]"}]},
    ]
    assert find(tmp_path, "judge_trace", rows[:4]) == []
    assert find(tmp_path, "judge_trace", rows[4:]) == []
