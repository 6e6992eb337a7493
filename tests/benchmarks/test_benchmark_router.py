"""The router's benchmark divides whole wordings, and measures what the theorem says."""

import random

import numpy as np
import pytest
from benchmarks.router import _mean_out, _nominal, divide


def test_groups_stay_together_and_no_place_is_lost() -> None:
    groups = [f"g{place % 17}" for place in range(200)]
    parts = divide(groups, (0.5, 0.15, 0.35), random.Random(0))
    assert sorted(place for part in parts for place in part) == list(range(200))
    owners = [{groups[place] for place in part} for part in parts]
    assert sum(map(len, owners)) == 17
    assert [len(part) / 200 for part in parts] == pytest.approx([0.5, 0.15, 0.35], abs=0.1)


def test_shares_of_exchangeable_scores_are_the_nominal_ones() -> None:
    scores = np.random.default_rng(1).normal(size=400)
    found = _mean_out(scores, range(400), [str(n) for n in range(400)], random.Random(2))
    assert _nominal(199) == pytest.approx(0.05)
    assert found == pytest.approx(_nominal(200), abs=0.02)
