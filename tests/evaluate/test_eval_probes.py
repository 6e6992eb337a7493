"""Probes: their numbers by hand, and what their gates say of them."""

import pytest

from assay.evaluate.compare import Resampling
from assay.evaluate.gates import Policy, ProbeGate, Thresholds, judge_probe
from assay.evaluate.probes import Probed, Reading, not_applicable, not_measured, summarise_probe
from assay.evaluate.stats import compute_upper_bound

THRESHOLDS = Thresholds()
EVENT = ProbeGate("calls", "no_event", 0, 60, "a call that nobody asked for")
SCORES = ProbeGate("abstention", "no_loss", 0.05, 30, "abstention")
BOUND = ProbeGate("drift", "at_most", 0.5, 10, "drift")


def events(base, tuned):
    readings = [Reading(str(i), b, t) for i, (b, t) in enumerate(zip(base, tuned, strict=True))]
    return summarise_probe(Probed(readings), Resampling())


def judge(gate, summary):
    return judge_probe("gate", gate, summary, required=True, thresholds=THRESHOLDS, level=0.005)


@pytest.mark.parametrize(
    ("found", "n", "bound"),
    # Clopper and Pearson by hand: 1 − 0.05^(1/n) for none; for n of n nothing is excluded.
    [(0, 300, 1 - 0.05 ** (1 / 300)), (0, 1, 0.95), (5, 5, 1.0), (1, 2, 0.95**0.5)],
)
def test_the_upper_bound_of_a_rate_is_exact(found, n, bound):
    assert compute_upper_bound(found, n) == pytest.approx(bound, rel=1e-9)


def test_a_bound_of_no_counts_is_refused():
    with pytest.raises(ValueError, match="no count"):
        compute_upper_bound(3, 2)


def test_one_new_event_fails_and_none_in_enough_passes_with_its_bound():
    held = judge(EVENT, events([0.0] * 60, [0.0] * 59 + [1.0]))
    assert (held.outcome, held.required) == ("fail", True)
    assert "1 of 60 where the base has none" in held.reason
    clean = judge(EVENT, events([0.0] * 60, [0.0] * 60))
    assert clean.outcome == "pass"
    assert clean.interval == (0.0, pytest.approx(1 - 0.05 ** (1 / 60)))
    assert "below 4.9 %" in clean.reason


def test_what_the_base_does_too_is_no_new_event():
    assert judge(EVENT, events([1.0] * 60, [1.0] * 60)).outcome == "pass"


def test_too_few_readings_pass_nothing_but_an_event_among_them_fails():
    few = judge(EVENT, events([0.0] * 10, [0.0] * 10))
    assert (few.outcome, few.code) == ("not_measured", "too_few_items")
    assert judge(EVENT, events([0.0] * 10, [1.0] + [0.0] * 9)).outcome == "fail"


def test_readings_that_could_not_be_scored_could_hide_an_event():
    found = judge(EVENT, events([0.0] * 100, [0.0] * 90 + [None] * 10))
    assert (found.outcome, found.code) == ("not_measured", "unscored")


def test_scores_are_judged_as_paired_losses():
    assert judge(SCORES, events([1.0] * 100, [1.0] * 70 + [0.0] * 30)).outcome == "fail"
    assert judge(SCORES, events([1.0] * 100, [1.0] * 100)).outcome == "pass"


def test_a_statistic_is_held_to_its_bound():
    readings = [Reading(str(i), 0.0, 0.0) for i in range(10)]
    for value, outcome in ((0.5, "pass"), (0.51, "fail"), (float("nan"), "not_measured")):
        summary = summarise_probe(Probed(readings, statistic=value), Resampling())
        assert judge(BOUND, summary).outcome == outcome


def test_a_statistic_of_readings_of_which_many_failed_passes_nothing():
    readings = [Reading(str(i), 0.0, 0.0 if i < 90 else None) for i in range(100)]
    found = judge(BOUND, summarise_probe(Probed(readings, statistic=0.1), Resampling()))
    assert (found.outcome, found.code, found.n) == ("not_measured", "unscored", 90)


def test_without_a_statistic_the_mean_change_is_held_to_the_bound():
    assert judge(BOUND, events([0.0] * 10, [0.6] * 10)).outcome == "fail"


def test_what_was_not_measured_holds_and_what_does_not_apply_does_not():
    for summary, required in (
        (None, True),
        (summarise_probe(not_measured("The engine has no insides."), Resampling()), True),
        (summarise_probe(not_applicable("The rows have no tools."), Resampling()), False),
    ):
        found = judge(EVENT, summary)
        assert (found.outcome, found.required) == ("not_measured", required)


def test_a_policy_lists_the_probes_that_its_gates_read():
    gates = {"a": EVENT, "b": SCORES, "c": EVENT, "d": BOUND}
    levels = {"a": "required", "b": "advisory", "c": "required", "d": "off"}
    assert Policy("own", levels, THRESHOLDS, gates).list_probes() == ["calls", "abstention"]
