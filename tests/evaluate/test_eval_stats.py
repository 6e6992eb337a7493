"""Paired statistics: numbers derived by hand, properties, and a small calibration."""

import math
import random
from statistics import NormalDist

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assay.evaluate.stats import (
    compute_difference_std,
    compute_sign_p,
    compute_wilson,
    items_needed,
    mcnemar,
    mean_interval,
    minimum_detectable_difference,
    paired_bootstrap,
    sign_flip_p,
)

UNIT = st.floats(0, 1, allow_nan=False)
PAIRS = st.lists(st.tuples(UNIT, UNIT), min_size=1, max_size=40)


def test_paired_bootstrap_of_one_step():
    # Differences 1,1,1,0: mean 3/4. A resample of 4 has mean k/4 with k ~ Binomial(4, 3/4);
    # P(k <= 0) = 1/256 and P(k <= 1) = 13/256, so the 2.5 % quantile is 1/4; P(k = 4) = 31.6 %.
    interval = paired_bootstrap([1, 1, 1, 1], [0, 0, 0, 1], seed=3)
    assert (interval.n, interval.difference) == (4, 0.75)
    assert (interval.low, interval.high) == (0.25, 1.0)


def test_paired_bootstrap_is_seeded():
    a, b = [0.1, 0.9, 0.4, 0.73, 0.3], [0.2, 0.5, 0.41, 0.1, 0.0]
    first, again, other = (
        paired_bootstrap(a, b, seed=seed, num_resamples=40) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.low != other.low


@given(PAIRS)
@settings(max_examples=30, deadline=None)
def test_swapping_mirrors_the_interval(pairs):
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    there = paired_bootstrap(a, b, num_resamples=200)
    back = paired_bootstrap(b, a, num_resamples=200)
    assert back.difference == -there.difference
    assert back.low == pytest.approx(-there.high, abs=1e-12)
    assert back.high == pytest.approx(-there.low, abs=1e-12)


@given(PAIRS)
@settings(max_examples=30, deadline=None)
def test_the_interval_stays_within_the_differences(pairs):
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    gaps = [x - y for x, y in pairs]
    assume(min(gaps) < max(gaps))
    found = paired_bootstrap(a, b, num_resamples=200)
    slack = 1e-12
    assert min(gaps) - slack <= found.low <= found.high <= max(gaps) + slack


@given(st.lists(UNIT, min_size=1, max_size=40))
@settings(max_examples=20, deadline=None)
def test_identical_scores_differ_by_nothing_that_so_few_show(values):
    found = paired_bootstrap(values, values)
    unseen = 1 - 0.05 ** (1 / len(values))
    assert (found.low, found.difference, found.high) == pytest.approx((-unseen, 0, unseen))


def test_equal_differences_by_hand():
    # Four pairs, none discordant: 0.05^(1/4) = 0.4729, so 52.7 % may be otherwise; 80: 3.7 %.
    four, eighty = (paired_bootstrap([1] * n, [1] * n) for n in (4, 80))
    assert (four.low, four.high) == (pytest.approx(-0.5271, abs=1e-4), -four.low)
    assert eighty.high == pytest.approx(0.03675, abs=1e-5)
    # All gained: what was not seen may have lost, and nothing can gain more.
    gained = paired_bootstrap([1] * 80, [0] * 80)
    assert (gained.low, gained.high) == (pytest.approx(1 - 2 * 0.03675, abs=1e-4), 1.0)
    # A mean of equal graded scores, and another confidence: 0.1^(1/2) = 0.3162.
    found = mean_interval([0.25, 0.25], confidence=0.9)
    assert found.method == "unseen"
    assert (found.low, found.high) == pytest.approx((0.25 * 0.3162, 1 - 0.75 * 0.3162), abs=1e-4)


def test_a_rare_loss_is_covered_though_most_samples_show_none():
    # One pair in 100 loses: of 40 pairs 67 % of samples show none, and none of those is wrong.
    rng = random.Random(4)
    hits = 0
    for trial in range(300):
        gaps = rng.choices([-1.0, 0.0], [0.01, 0.99], k=40)
        found = paired_bootstrap(gaps, [0.0] * 40, seed=trial, num_resamples=400)
        hits += found.low <= -0.01 <= found.high
    assert hits / 300 >= 0.93


def test_pairs_need_equal_and_some_length():
    with pytest.raises(ValueError, match="not 1 and 2"):
        paired_bootstrap([1], [1, 0])
    with pytest.raises(ValueError, match="not 0 and 0"):
        paired_bootstrap([], [])
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])
    with pytest.raises(ValueError, match="confidence"):
        paired_bootstrap([1, 0], [0, 0], confidence=1.0)


def test_wilson_by_hand():
    # 8 of 10, z = 1.95996: centre (0.8 + 3.8415/20) / 1.38415 = 0.71674, half width 0.22659.
    low, high = compute_wilson(8, 10)
    assert low == pytest.approx(0.4902, abs=1e-4)
    assert high == pytest.approx(0.9433, abs=1e-4)
    # All right: high is 1 and low is n / (n + z^2).
    low, high = compute_wilson(30, 30)
    assert low == pytest.approx(30 / (30 + 3.841459), abs=1e-6)
    assert high == pytest.approx(1.0)


def test_mean_interval_takes_wilson_for_yes_and_no():
    found = mean_interval([1.0] * 8 + [0.0] * 2)
    assert (found.method, found.mean, found.n) == ("wilson", 0.8, 10)
    assert (found.low, found.high) == compute_wilson(8, 10)
    graded = mean_interval([0.2, 0.4, 0.9, 1.0])
    assert graded.method == "bootstrap"
    assert graded.low < graded.mean < graded.high


def test_mcnemar_by_hand():
    # Disagreeing pairs 1 against 7: 2 * (C(8,0) + C(8,1)) / 2^8 = 18/256.
    a = [True] * 7 + [False] + [True] * 5
    b = [False] * 7 + [True] + [True] * 5
    found = mcnemar(a, b)
    assert (found.n01, found.n10) == (1, 7)
    assert found.p_value == 18 / 256
    assert mcnemar(b, a).p_value == found.p_value


def test_sign_p_edges():
    assert compute_sign_p(0, 0) == 1.0
    assert compute_sign_p(3, 3) == 1.0
    assert compute_sign_p(0, 6) == 2 / 64
    # Large counts stay exact: the normal approximation agrees to three digits.
    z = (4900 - 5000 + 0.5) / math.sqrt(2500)
    assert compute_sign_p(4900, 5100) == pytest.approx(2 * NormalDist().cdf(z), rel=1e-3)


def test_sign_flip_agrees_with_all_flips_by_hand():
    # Differences 0.5, 0.25, 0.125: of 8 sign patterns 2 reach |sum| = 0.875.
    p = sign_flip_p([0.5, 0.25, 0.125], [0, 0, 0], num_flips=20_000)
    assert p == pytest.approx(0.25, abs=0.01)
    assert sign_flip_p([0.5, 0.1], [0.5, 0.1]) == 1.0


def test_detectable_difference_by_hand():
    # (1.95996 + 0.84162) * 0.4 / sqrt(100) = 0.11206; and back again.
    found = minimum_detectable_difference(100, std=0.4)
    assert found == pytest.approx(0.112063, abs=1e-5)
    assert items_needed(found + 1e-9, std=0.4) == 100
    assert compute_difference_std([1, 0, 1], [0, 0, 0]) == pytest.approx(math.sqrt(1 / 3))
    assert compute_difference_std([1], [0]) == 0.0


def test_the_bootstrap_covers_about_as_often_as_it_says():
    # Differences are -1, 0, 1 with probabilities 0.1, 0.6, 0.3: true mean 0.2.
    rng = random.Random(11)
    num_trials, hits = 300, 0
    for trial in range(num_trials):
        gaps = rng.choices([-1.0, 0.0, 1.0], [0.1, 0.6, 0.3], k=80)
        found = paired_bootstrap(gaps, [0.0] * 80, seed=trial, num_resamples=500)
        hits += found.low <= 0.2 <= found.high
    assert 0.91 <= hits / num_trials <= 0.98


def test_mcnemar_rejects_equal_models_no_more_often_than_it_says():
    rng = random.Random(5)
    num_trials, rejected = 400, 0
    for _ in range(num_trials):
        a = [rng.random() < 0.7 for _ in range(60)]
        b = [rng.random() < 0.7 for _ in range(60)]
        rejected += mcnemar(a, b).p_value <= 0.05
    assert rejected / num_trials <= 0.05 + 0.022
