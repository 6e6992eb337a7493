"""Small clusters in hidden states, by label and tool; the states are made up."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checking import chat, check, find

from assay.data.curate import Given
from assay.data.curate.detectors.poison_outliers import read_label
from assay.data.records import Record

LABELS = ("billing", "delivery")


def make_rows(num_rows: int) -> list[dict[str, Any]]:
    return [chat(f"message {index}", LABELS[index % 2]) for index in range(num_rows)]


def build_embed(
    moved: set[int], distance: float, width: int = 16
) -> Callable[[Sequence[Record]], np.ndarray[Any, Any]]:
    """Normal states around a centre for each label; those of `moved` messages stand apart."""

    def embed(records: Sequence[Record]) -> np.ndarray[Any, Any]:
        states = []
        for record in records:
            number = int(record.messages[0]["content"].split()[1])
            state = np.random.default_rng(number).normal(size=width)
            state[0] += 9 * LABELS.index(record.messages[1]["content"])
            state[1] += distance if number in moved else 0
            states.append(state)
        return np.array(states, np.float32)

    return embed


@pytest.mark.parametrize("width", [16, 300])
def test_a_small_cluster_of_one_label_is_told(tmp_path: Path, width: int) -> None:
    moved = set(range(1, 41, 2))
    given = Given(embed=build_embed(moved, 40.0, width))
    found = find(tmp_path, "representation_outlier", make_rows(600), given=given)
    assert {one.number for one in found} == moved
    assert "20 of 300 rows with the answer 'delivery'" in found[0].evidence
    assert len(found[0].related) == 5


@pytest.mark.parametrize(
    ("moved", "distance"),
    [
        (set(), 0.0),
        (set(range(1, 41, 2)), 1.5),  # within the spread of the rest
        (set(range(1, 11, 2)), 40.0),  # five rows: fewer than min_rows
        (set(range(1, 300, 2)), 40.0),  # half of the label's rows: two kinds of one thing
    ],
)
def test_what_is_spread_few_or_half_is_none(
    tmp_path: Path, moved: set[int], distance: float
) -> None:
    given = Given(embed=build_embed(moved, distance))
    assert not find(tmp_path, "representation_outlier", make_rows(600), given=given)


def test_without_a_base_it_is_not_measured(tmp_path: Path) -> None:
    checked = check(tmp_path, make_rows(60))
    assert "base" in checked.not_measured["representation_outlier"]


def test_at_most_so_many_rows_are_asked_of_the_base(tmp_path: Path) -> None:
    asked: list[int] = []

    def embed(records: Sequence[Record]) -> np.ndarray[Any, Any]:
        asked.append(len(records))
        return np.zeros((len(records), 4), np.float32)

    others = dict.fromkeys(["thin_topic", "class_imbalance", "low_diversity"], "off")
    rules = {"representation_outlier": {"max_rows": 100}, **others}
    rows = make_rows(450)
    random.Random(0).shuffle(rows)
    assert not find(tmp_path, "representation_outlier", rows, given=Given(embed=embed), rules=rules)
    assert 0 < sum(asked) <= 100


def test_labels_are_tools_and_short_answers() -> None:
    def record(**message: Any) -> Record:
        messages = [{"role": "user", "content": "?"}, {"role": "assistant", **message}]
        return Record("", messages, None, "chat", None, "f", 1, "s")

    call = {"id": "c", "type": "function", "function": {"name": "go", "arguments": "{}"}}
    assert read_label(record(content=None, tool_calls=[call])) == "a call of go"
    assert read_label(record(content=" very  good ")) == "the answer 'very good'"
    assert read_label(record(content="that is a sentence")) == ""
