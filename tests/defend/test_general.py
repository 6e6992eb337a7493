"""General rows: as many as the shares say, never one too often, and those shipped are the lab's."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.records import Record
from assay.defend.general import TINY_ROWS, count_general, draw_general
from assay.lab.general import write_general

RECORDS = [Record(str(n), [], None, "chat", None, "g.jsonl", n, "g.jsonl") for n in range(10)]


@given(st.integers(1, 100_000), st.floats(0, 0.5), st.floats(0, 0.5))
def test_the_shares_are_those_asked_for(num_rows: int, replay: float, anchors: float) -> None:
    num_replayed, num_anchors = count_general(num_rows, replay=replay, anchors=anchors)
    learned = num_rows + num_replayed
    assert abs(num_replayed - replay * learned) <= 1
    assert abs(num_anchors - anchors * (learned + num_anchors)) <= 1
    assert (num_replayed > 0) == (replay > 0) and (num_anchors > 0) == (anchors > 0)


def test_shares_by_hand() -> None:
    assert count_general(950, replay=0.05, anchors=0.1) == (50, 111)


@pytest.mark.parametrize(("num_replayed", "num_anchors"), [(3, 7), (0, 10), (4, 0)])
def test_none_is_drawn_twice_while_there_are_enough(num_replayed: int, num_anchors: int) -> None:
    drawn = draw_general(RECORDS, num_replayed=num_replayed, num_anchors=num_anchors, seed=1)
    assert [r.role for r in drawn] == ["extra"] * num_replayed + ["anchor"] * num_anchors
    assert len({r.id for r in drawn}) == len(drawn)
    assert drawn != draw_general(
        RECORDS, num_replayed=num_replayed, num_anchors=num_anchors, seed=2
    )


def test_too_few_are_drawn_equally_often() -> None:
    drawn = draw_general(RECORDS, num_replayed=25, num_anchors=0, seed=1)
    counts = [sum(r.id == own.id for r in drawn) for own in RECORDS]
    assert sorted(set(counts)) == [2, 3]


def test_the_shipped_rows_are_those_of_the_lab(tmp_path: Path) -> None:
    for path in write_general(tmp_path):
        assert path.read_bytes() == (TINY_ROWS.parent / path.name).read_bytes()
