"""How often the no-loss rule, and whole policies of it, hold models that lost nothing or a lot."""

import random

import pytest
from benchmarks.false_holds import compare_pairs, draw_pairs, simulate
from hypothesis import given
from hypothesis import strategies as st

from assay.evaluate.gates import Limits, decide_no_loss, load_policy
from assay.evaluate.gates.no_loss import compute_resolved

MARGIN = 0.05
STANDARD = load_policy("standard")
LIMITS = Limits(MARGIN, 0.005, STANDARD.thresholds.resolution)


def rate_of(outcome, *, n, loss, change, num_trials=150, limits=LIMITS):
    """Share of drawn models with an outcome: `change` of the items change, on balance by −loss."""
    rng = random.Random(n)
    found = 0
    for seed in range(num_trials):
        pairs = draw_pairs(rng, n=n, change=change, loss=loss)
        found += decide_no_loss(compare_pairs(pairs, seed=seed), limits) == outcome
    return found / num_trials


@pytest.mark.parametrize("n", [30, 200])
def test_equal_answers_pass(n):
    assert rate_of("pass", n=n, loss=0.0, change=0.0, num_trials=3) == 1.0


@pytest.mark.parametrize("n", [60, 200])
def test_a_gate_fails_what_lost_nothing_no_more_often_than_its_level(n):
    # 10 % is far above the levels of policies, so that 400 trials can tell; 14 % is 10 % and
    # 2.5 standard errors.
    limits = Limits(0.0, 0.1, 1.0)
    assert rate_of("fail", n=n, loss=0.0, change=0.15, num_trials=400, limits=limits) <= 0.14


@pytest.mark.parametrize(("n", "change"), [(60, 0.1), (100, 0.15), (200, 0.1)])
def test_a_whole_policy_holds_few_models_that_lost_nothing(n, change):
    # 5 %, and two standard errors of 200 trials. Without a common level it was 52 to 98 %.
    held = simulate(STANDARD, n=n, change=change, trials=200)["held"]
    assert held <= 0.08


def test_margins_follow_n():
    # 200 items show ten points, 60 do not, and show twenty.
    assert rate_of("pass", n=200, loss=2 * MARGIN, change=0.12) <= 0.1
    assert rate_of("pass", n=60, loss=2 * MARGIN, change=0.12) >= 0.4
    assert rate_of("pass", n=60, loss=4 * MARGIN, change=0.22) <= 0.2


def test_every_pass_excludes_what_the_policy_resolves():
    # Nominally 2.5 %, and the interval of 40 yes/no items is coarse.
    assert rate_of("pass", n=40, loss=LIMITS.excluded, change=0.3, num_trials=300) <= 0.06


def test_a_collapse_never_passes():
    assert rate_of("pass", n=40, loss=0.4, change=0.5) == 0.0


def test_what_so_few_items_show_is_what_they_show_in_four_of_five_cases():
    pairs = [(1, 0)] * 12 + [(0, 1)] * 12 + [(1, 1)] * 176
    found = compare_pairs(pairs, seed=0)
    # By hand: s = √(24/199) = 0.347, z of 1 − 0.005 is 2.576, of 0.8 is 0.842.
    assert compute_resolved(found, LIMITS) == pytest.approx(0.347 / 200**0.5 * 3.418, rel=0.01)
    shown = rate_of("fail", n=200, loss=0.083, change=0.12, num_trials=300)
    assert 0.7 <= shown <= 0.9


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.001, 0.5), st.floats(0, 1))
def test_better_is_never_judged_worse(difference, width, margin, p_value):
    order = ["fail", "not_measured", "pass"]
    limits = Limits(margin, 0.01, 0.2)
    found = {"difference": difference, "low": difference - width, "p_value": p_value}
    higher = {**found, "difference": difference + 0.1, "low": difference + 0.1 - width}
    worse, better = decide_no_loss(found, limits), decide_no_loss(higher, limits)
    assert order.index(better) >= order.index(worse)
    if worse == "pass":
        assert found["low"] >= -limits.excluded - 1e-6
