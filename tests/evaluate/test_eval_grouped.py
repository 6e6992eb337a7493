"""Statistics of items that share groups: numbers by hand, and error rates that hold."""

import random

import pytest

from assay.evaluate.grouped import (
    compute_group_error,
    group_bootstrap,
    group_mean_interval,
    group_sign_flip_p,
    student_quantile,
)
from assay.evaluate.stats import compute_wilson_bounds, mcnemar, paired_bootstrap

NUM_GROUPS, SIZE = 15, 13
NAMES = [f"g{group}" for group in range(NUM_GROUPS) for _ in range(SIZE)]


def draw_equal_models(rng):
    """Two models that are alike on average, each good on groups of its own."""
    rates = [(rng.betavariate(0.5, 0.5), rng.betavariate(0.5, 0.5)) for _ in range(NUM_GROUPS)]
    pairs = [(rng.random() < a, rng.random() < b) for a, b in rates for _ in range(SIZE)]
    return [float(a) for a, _ in pairs], [float(b) for _, b in pairs]


def test_group_effects_alone_are_seldom_taken_for_a_gain():
    rng = random.Random(7)
    num_trials, shown, shown_by_items, covered = 400, 0, 0, 0
    for trial in range(num_trials):
        a, b = draw_equal_models(rng)
        found = group_bootstrap(a, b, NAMES, seed=trial, num_resamples=500)
        shown += found.low > 0
        covered += found.low <= 0 <= found.high
        shown_by_items += paired_bootstrap(a, b, seed=trial, num_resamples=500).low > 0
    assert shown_by_items / num_trials > 0.12
    assert shown / num_trials <= 0.045
    assert 0.92 <= covered / num_trials <= 0.98


def test_group_effects_alone_are_seldom_significant():
    rng = random.Random(3)
    num_trials, rejected, rejected_by_items = 300, 0, 0
    for trial in range(num_trials):
        a, b = draw_equal_models(rng)
        rejected += group_sign_flip_p(a, b, NAMES, seed=trial, num_flips=500) <= 0.05
        rejected_by_items += mcnemar([x == 1 for x in a], [y == 1 for y in b]).p_value <= 0.05
    assert rejected_by_items / num_trials > 0.2
    assert rejected / num_trials <= 0.05 + 0.025


def test_few_groups_widen_the_percentiles_by_hand():
    # Differences 1, 1, 1, 0 by group: the mean of a resample is k/4 with k ~ Binomial(4, 3/4), and
    # t of 3 degrees is 3.18: the percentile is Phi(-sqrt(4/3) * 3.18) = 0.0001, P(k = 0) = 1/256.
    names = [name for name in "abcd" for _ in range(3)]
    found = group_bootstrap([1.0] * 12, [0.0] * 9 + [1.0] * 3, names, seed=3)
    assert (found.n, found.difference, found.low, found.high) == (12, 0.75, 0.0, 1.0)


def test_groups_weigh_by_their_items():
    # Of two groups with 9 and 1 items a resample holds the large one twice, once or never.
    names = ["large"] * 9 + ["small"]
    found = group_bootstrap([1.0] * 9 + [0.0], [0.0] * 10, names)
    assert (found.difference, found.low, found.high) == (0.9, 0.0, 1.0)


def test_swapping_mirrors_and_seeds_repeat():
    a, b = draw_equal_models(random.Random(1))
    there, back = group_bootstrap(a, b, NAMES, seed=4), group_bootstrap(b, a, NAMES, seed=4)
    assert back.low == pytest.approx(-there.high, abs=1e-12)
    assert there == group_bootstrap(a, b, NAMES, seed=4)
    assert there.low != group_bootstrap(a, b, NAMES, seed=5).low
    assert group_sign_flip_p(a, b, NAMES) == group_sign_flip_p(b, a, NAMES)


def test_groups_of_equal_means_count_as_groups():
    # Ten groups of three, all unchanged, or each half right: 0.05^(1/10) = 0.7411.
    names = [name for name in "abcdefghij" for _ in range(2)]
    same = group_bootstrap([1.0] * 20, [1.0] * 20, names)
    assert (same.low, same.high) == (pytest.approx(-0.2589, abs=1e-4), -same.low)
    halves = group_bootstrap([1.0, 0.0] * 10, [0.0] * 20, names)
    assert (halves.low, halves.high) == pytest.approx((0.1117, 0.6294), abs=1e-4)
    graded = group_mean_interval([0.5] * 20, names)
    assert (graded.method, graded.low < 0.5 < graded.high) == ("unseen", True)


def test_few_groups_are_flipped_in_every_way():
    # Sums 3, 2 and -1: |±3 ±2 ±1| reaches 4 in 4 of 8 patterns. No seed and no +1 is in it.
    a, names = [1.0] * 5 + [0.0], list("xxxyyz")
    assert group_sign_flip_p(a, [0.0] * 5 + [1.0], names) == 4 / 8
    assert group_sign_flip_p([1.0, 1.0], [1.0, 1.0], ["x", "y"]) == 1.0
    ten = [name for name in "abcdefghij" for _ in range(2)]
    assert group_sign_flip_p([1.0] * 20, [0.0] * 20, ten) == 2 / 2**10


def test_many_groups_are_flipped_at_random_and_agree_with_all_flips():
    rng = random.Random(2)
    values = [float(rng.random() < 0.65) for _ in range(24)]
    names = [f"g{place // 2}" for place in range(24)]
    every = group_sign_flip_p(values, [0.5] * 24, names)
    drawn = group_sign_flip_p(values, [0.5] * 24, names, num_flips=1 << 11)
    assert drawn == pytest.approx(every, abs=0.04)


def test_the_error_of_a_mean_by_hand():
    # Groups 1,1 and 0,0: residual sums +1 and -1, so sqrt(2/1 * 2) / 4 = 1/2.
    assert compute_group_error([1, 1, 0, 0], ["a", "a", "b", "b"]) == 0.5
    # Groups that are each half right vary not at all.
    assert compute_group_error([1, 0, 1, 0], ["a", "a", "b", "b"]) == 0.0


def test_a_mean_counts_as_many_items_as_vary_on_their_own():
    names = [f"g{place // 3}" for place in range(60)]
    copies = [float(place // 3 % 4 > 0) for place in range(60)]
    found = group_mean_interval(copies, names)
    # 20 groups of three copies, 15 right: n = 20 - 1 for the sample variance, t of 19 = 2.093.
    low, high = compute_wilson_bounds(0.75, 19, z=student_quantile(0.975, 19))
    assert (found.n, found.mean, found.method) == (60, 0.75, "group_wilson")
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    # All right tells nothing of dependence: groups count, so low is 20 / (20 + t^2).
    perfect = group_mean_interval([1.0] * 60, names)
    assert perfect.low == pytest.approx(20 / (20 + 2.093**2), abs=1e-4)
    graded = group_mean_interval([0.5 * value for value in copies], names)
    assert graded.method == "group_bootstrap"
    assert graded.low < graded.mean < graded.high


@pytest.mark.parametrize(
    ("probability", "num_freedom", "t"),
    [(0.975, 9, 2.262), (0.975, 30, 2.042), (0.95, 14, 1.761), (0.995, 9, 3.250)],
)
def test_student_quantiles_are_those_of_the_tables(probability, num_freedom, t):
    assert student_quantile(probability, num_freedom) == pytest.approx(t, abs=1e-3)


def test_what_has_no_interval_is_refused():
    with pytest.raises(ValueError, match="a single group"):
        group_bootstrap([1, 0], [0, 0], ["a", "a"])
    with pytest.raises(ValueError, match="as many groups"):
        group_mean_interval([1, 0], ["a"])
