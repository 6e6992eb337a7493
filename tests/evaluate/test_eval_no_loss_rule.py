"""How often the no-loss rule passes models that lost nothing, and models that lost a lot."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.evaluate.gates import decide_no_loss
from assay.evaluate.stats import paired_bootstrap

MARGIN = 0.05


def pass_rate(*, n, loss, churn, num_trials=200, seed=1):
    """Share of simulated runs that pass: `churn` of the items change, on balance by −loss."""
    rng = random.Random(seed)
    worse, better = (churn + loss) / 2, (churn - loss) / 2
    passed = 0
    for trial in range(num_trials):
        gaps = rng.choices([-1.0, 1.0, 0.0], [worse, better, 1 - churn], k=n)
        found = paired_bootstrap(gaps, [0.0] * n, seed=trial, num_resamples=400)
        passed += decide_no_loss(found.difference, found.low, margin=MARGIN) == "pass"
    return passed / num_trials


@pytest.mark.parametrize("n", [30, 200, 1000])
def test_equal_answers_pass(n):
    assert pass_rate(n=n, loss=0.0, churn=0.0, num_trials=3) == 1.0


@pytest.mark.parametrize(("n", "churn"), [(30, 0.1), (60, 0.15), (200, 0.15), (500, 0.2)])
def test_a_loss_of_twice_the_margin_hardly_ever_passes(n, churn):
    # Nominally 2.5 %, 5 % at n = 30, plus about twice the error of 400 trials.
    rate = pass_rate(n=n, loss=2 * MARGIN, churn=churn, num_trials=400)
    assert rate <= (0.07 if n == 30 else 0.055)


def test_a_loss_of_the_margin_passes_seldom_once_there_are_items():
    assert pass_rate(n=400, loss=MARGIN, churn=0.1) <= 0.12


def test_a_model_that_lost_nothing_passes_though_its_answers_changed():
    assert pass_rate(n=400, loss=0.0, churn=0.1) >= 0.9
    assert pass_rate(n=200, loss=0.0, churn=0.05) >= 0.9


def test_a_collapse_never_passes():
    assert pass_rate(n=40, loss=0.4, churn=0.5) == 0.0


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.001, 0.5))
def test_better_is_never_judged_worse(difference, width, margin):
    order = ["fail", "not_measured", "pass"]
    low = difference - width
    worse = decide_no_loss(difference, low, margin=margin)
    better = decide_no_loss(difference + 0.1, low + 0.1, margin=margin)
    assert order.index(better) >= order.index(worse)
    if worse == "pass":
        assert low >= -2 * margin - 1e-6
