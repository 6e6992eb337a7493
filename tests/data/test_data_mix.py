"""Mixing by weight: counts, who is sampled, how sources interleave."""

from __future__ import annotations

from collections import Counter
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from assay.data import Record
from assay.data.mix import mix_sources


def rows(source: str, count: int, weight: float) -> list[Record]:
    return [
        Record(f"{source}{n}", [], None, "chat", None, source, n + 1, source, weight)
        for n in range(count)
    ]


def test_one_source_of_weight_one_is_left_as_it_is() -> None:
    records = rows("a", 7, 1.0)
    assert mix_sources(records, seed=3) == records


def test_weight_below_one_thins_to_a_share_and_may_leave_nothing() -> None:
    thinned = mix_sources(rows("a", 10, 0.25), seed=0)
    assert len({record.id for record in thinned}) == len(thinned) == 3  # 2.5 rounds up
    assert mix_sources(rows("a", 1, 0.25), seed=0) == []


def test_weights_are_multiples_and_not_shares() -> None:
    halves = mix_sources([*rows("a", 10, 0.5), *rows("b", 10, 0.5)], seed=0)
    assert Counter(record.source for record in halves) == {"a": 5, "b": 5}


def test_weight_above_one_repeats_whole_copies_and_samples_the_rest() -> None:
    mixed = mix_sources(rows("a", 10, 2.3), seed=0)
    counts = Counter(record.id for record in mixed)
    assert len(mixed) == 23
    assert sorted(counts.values()) == [2] * 7 + [3] * 3


def test_sources_interleave_in_their_shares() -> None:
    mixed = mix_sources([*rows("a", 6, 1.0), *rows("b", 2, 1.0)], seed=0)
    assert [record.source for record in mixed] == ["a", "a", "b", "a", "a", "a", "b", "a"]
    assert [record.id for record in mixed if record.source == "a"] == [f"a{n}" for n in range(6)]


def test_seed_decides_the_sample_and_the_order_of_rows_does_not() -> None:
    records = rows("a", 100, 0.3)
    forward = {record.id for record in mix_sources(records, seed=1)}
    backward = {record.id for record in mix_sources(records[::-1], seed=1)}
    other = {record.id for record in mix_sources(records, seed=2)}
    assert forward == backward
    assert forward != other


@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.floats(0.05, 5, allow_nan=False)), min_size=1, max_size=4
    ),
    st.integers(0, 5),
)
def test_every_source_stands_for_its_weight_times_its_rows(
    shape: list[tuple[int, float]], seed: int
) -> None:
    sources = [rows(str(n), count, weight) for n, (count, weight) in enumerate(shape)]
    records = [record for source in sources for record in source]
    mixed = mix_sources(records, seed=seed)
    totals = Counter(record.source for record in mixed)
    for name, (count, weight) in enumerate(shape):
        assert totals[str(name)] == floor(weight * count + 0.5)
        copies = Counter(record.id for record in mixed if record.source == str(name)).values()
        assert max(copies, default=0) - min(copies, default=0) <= 1
