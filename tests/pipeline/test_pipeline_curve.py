"""The learning curve: its law, what is enough, and that its points are nested and comparable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from assay.cli.data_curve import render_curve
from assay.config import SourceConfig
from assay.data import Record
from assay.data.curate import Given
from assay.errors import DataError
from assay.pipeline.curve import PowerLaw, compute_curve, fit_power_law, read_curve_rows


def make_records(count: int) -> list[Record]:
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    return [Record(str(n), messages, None, "chat", None, "a", n, "a") for n in range(count)]


@drawn(st.floats(0, 3), st.floats(0.5, 50), st.floats(0.1, 1.5))
def test_a_law_is_found_again(floor: float, scale: float, exponent: float) -> None:
    counts = [80, 160, 320, 640]
    law = PowerLaw(floor, scale, exponent)
    losses = np.array([law.predict(count) for count in counts])
    found = fit_power_law(counts, losses)
    error = max(abs(found.predict(count) - law.predict(count)) for count in (*counts, 1280))
    assert error <= 0.01 * (losses[0] - floor) + 1e-9
    assert found.floor >= 0 and found.scale >= 0


def test_losses_that_rise_have_no_gain() -> None:
    law = fit_power_law([10, 20, 40, 80], np.array([1.0, 1.1, 1.2, 1.3]))
    assert law.scale == 0 and law.find_enough(0.01, most=100) == 1


@drawn(st.floats(0.5, 50), st.floats(0.1, 1.5), st.floats(1e-4, 0.1))
def test_enough_is_where_a_doubling_gains_the_stated_amount(
    scale: float, exponent: float, min_gain: float
) -> None:
    law = PowerLaw(0.2, scale, exponent)
    enough = law.find_enough(min_gain, most=float("inf"))
    assert enough is not None
    gain = law.predict(enough) - law.predict(2 * enough)
    assert gain == pytest.approx(min_gain) or (enough == 1 and gain < min_gain)
    assert enough == 1 or law.find_enough(min_gain, most=enough / 2) is None


class CountedBase:
    """A base whose loss follows a law of the different rows that it was tuned on."""

    def __init__(self, law: PowerLaw) -> None:
        self.law = law
        self.calls: list[tuple[list[str], list[str]]] = []

    def score(self, records: Sequence[Record]) -> np.ndarray:
        return np.array([4 + 0.1 * (int(one.id) % 3) for one in records])

    def fit(self, records: Sequence[Record], held_out: Sequence[Record]) -> np.ndarray:
        own, rest = [one.id for one in records], [one.id for one in held_out]
        self.calls.append((own, rest))
        loss = self.law.predict(len(set(own)))
        return np.array([loss + 0.1 * (int(one) % 3) for one in rest])


def test_shares_are_nested_and_see_equally_many_rows() -> None:
    law = PowerLaw(0.5, 8.0, 0.5)
    base = CountedBase(law)
    found = compute_curve(
        Given(score=base.score, fit=base.fit),
        make_records(700),
        base="fake",
        max_rows=500,
        min_gain=0.05,
    )
    assert [one.num_rows for one in found.points] == [50, 100, 200, 400]
    assert (found.num_rows, found.num_held_out) == (500, 100)
    sets = [set(own) for own, _ in base.calls]
    assert [len(one) for one in sets] == [50, 100, 200, 400]
    assert sets[0] < sets[1] < sets[2] < sets[3]
    assert {len(own) for own, _ in base.calls} == {400}
    assert all(max(Counter(own).values()) == 400 // len(set(own)) for own, _ in base.calls)
    assert all(rest == base.calls[0][1] and not sets[3] & set(rest) for _, rest in base.calls)
    mean = np.mean([0.1 * (int(one) % 3) for one in base.calls[0][1]])
    for point in found.points:
        assert point.loss == pytest.approx(law.predict(point.num_rows) + mean)
    assert found.points[1].gain.difference == pytest.approx(law.predict(50) - law.predict(100))
    # (8 · (1 − 2^−½) / 0.05)² = 2196: the held-out rows' own offset is part of the floor.
    assert found.enough == pytest.approx(2196, rel=0.05)
    assert "from about" in render_curve(found)


def test_the_same_seed_gives_the_same_curve() -> None:
    curves = []
    for _ in range(2):
        base = CountedBase(PowerLaw(0.5, 8.0, 0.5))
        curves.append(
            compute_curve(
                Given(score=base.score, fit=base.fit),
                make_records(100),
                base="fake",
                max_rows=100,
                min_gain=1e-4,
                seed=3,
            )
        )
    assert curves[0] == curves[1]
    assert curves[0].enough is None and "far more rows" in render_curve(curves[0])


def test_copies_count_once_and_few_rows_are_refused(tmp_path: Path) -> None:
    rows = [f'{{"prompt": "q{n % 49}", "completion": "a"}}' for n in range(200)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    with pytest.raises(DataError, match="49 different rows"):
        read_curve_rows([SourceConfig(path="rows.jsonl")], base_dir=tmp_path)
