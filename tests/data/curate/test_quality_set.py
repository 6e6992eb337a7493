"""Topics, variety and balance of a set, and that what is told of a set is kept and printed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checking import chat, check, find

from assay.data.curate import Given, check_parts, settle
from assay.data.curate.topics import embed_words, find_topics, measure_variety

WORDS = {
    "baking": "flour oven dough yeast butter loaf knead crust",
    "sailing": "mast rudder harbour anchor tide keel deck wind",
    "chess": "rook bishop gambit pawn endgame castle knight mate",
}


def draw_texts(counts: dict[str, int], *, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [
        " ".join(rng.sample(WORDS[name].split(), 5))
        for name, count in counts.items()
        for _ in range(count)
    ]


def test_topics_are_found_and_named_by_their_words() -> None:
    counts = {"baking": 60, "sailing": 30, "chess": 20}
    texts = draw_texts(counts)
    owners = [name for name, count in counts.items() for _ in range(count)]
    topics = find_topics(embed_words(texts), texts)
    assert sorted(one for topic in topics for one in topic.members) == list(range(len(texts)))
    for topic in topics:
        names = {owners[one] for one in topic.members}
        assert len(names) == 1
        assert set(topic.terms) <= set(WORDS[names.pop()].split())
    assert [len(one.members) for one in topics] == sorted(
        (len(one.members) for one in topics), reverse=True
    )
    assert topics == find_topics(embed_words(texts), texts)


def test_variety_of_known_sets() -> None:
    """k equal groups of copies, k + 1 corners of a simplex once centred: k − 1 dimensions."""
    corners = np.eye(6, dtype=np.float32)
    told = measure_variety(np.repeat(corners, 10, axis=0))
    assert told["effective_rows"] == pytest.approx(5, abs=0.01)
    assert told["nearest"] == pytest.approx(1) and told["redundant"] == 1
    points = np.random.default_rng(0).normal(size=(400, 50)).astype(np.float32)
    told = measure_variety(points)
    assert told["effective_rows"] == pytest.approx(50, rel=0.12) and told["redundant"] == 0


def test_a_thin_topic_and_a_rare_label_are_noted(tmp_path: Path) -> None:
    texts = draw_texts({"baking": 150, "sailing": 150, "chess": 5})
    labels = ["a"] * 150 + ["b"] * 150 + ["c"] * 5
    rows = [chat(text, label) for text, label in zip(texts, labels, strict=True)]

    def embed(records: Any) -> Any:
        return np.array([[_is_of(one, name) for name in WORDS] for one in records], np.float32)

    checked = check(tmp_path, rows, given=Given(embed=embed))
    (imbalance,) = [one for one in checked.findings if one.rule == "class_imbalance"]
    assert imbalance.evidence == "'c' in 5 of 305 rows, 'a' in 150" and imbalance.number == 300
    assert checked.insights["balance"]["labels"] == {"a": 150, "b": 150, "c": 5}
    (thin,) = [one for one in checked.findings if one.rule == "thin_topic"]
    terms, told = thin.evidence.split(": ")
    assert set(terms.split(", ")) <= set(WORDS["chess"].split())
    assert told == "about 5 of 305 rows" and thin.number >= 300
    assert [one["rows"] for one in checked.insights["topics"]["topics"]] == [150, 150, 5]


def _is_of(record: Any, name: str) -> bool:
    return record.messages[0]["content"].split()[0] in WORDS[name].split()


def test_balanced_labels_and_free_answers_are_none(tmp_path: Path) -> None:
    texts = draw_texts({"baking": 60, "sailing": 60})
    even = [chat(text, label) for text, label in zip(texts, ["a", "b"] * 60, strict=True)]
    assert find(tmp_path, "class_imbalance", even) == []
    free = [chat(text, f"An answer of its own, {n}") for n, text in enumerate(texts)]
    free += [chat("Thanks", "You're welcome.")] * 6
    assert find(tmp_path, "class_imbalance", free) == []
    assert "balance" not in check(tmp_path, free).insights


def test_hidden_states_are_asked_where_there_are_any(tmp_path: Path) -> None:
    asked: list[int] = []

    def embed(records: Any) -> Any:
        asked.append(len(records))
        return np.tile(np.eye(4, dtype=np.float32), (len(records) // 4, 1))

    rows = [chat(text, "ok") for text in draw_texts({"baking": 40, "chess": 40})]
    checked = check(tmp_path, rows, given=Given(embed=embed))
    assert set(asked) == {80}
    assert checked.insights["diversity"]["by"] == "hidden states"
    (low,) = [one for one in checked.findings if one.rule == "low_diversity"]
    assert "100% of 80 rows" in low.evidence


def test_what_is_told_of_the_set_stays_with_a_check_that_goes_on(tmp_path: Path) -> None:
    from assay.config import SourceConfig

    rows = [chat(text, "ok") for text in draw_texts({"baking": 40, "chess": 40})]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parts = {"train": [SourceConfig(path="rows.jsonl")]}

    def run() -> dict[str, Any]:
        checked = check_parts(
            parts, base_dir=tmp_path, settings=settle(None), work=tmp_path / "work"
        )
        return checked.to_json()["insights"]

    first = run()
    assert first["topics"]["sampled"] == 80
    assert run() == first
