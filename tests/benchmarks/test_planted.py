"""A small version of the planted-fault benchmark: a rule that stops finding its fault fails."""

from __future__ import annotations

import pytest
from benchmarks.planted import poison
from benchmarks.planted.bounds import find_lower, find_upper
from benchmarks.planted.case import Case, Tally, find
from benchmarks.planted.desk import draw_desk_rows
from benchmarks.planted.families import PER_KIND, UNPLANTED
from benchmarks.planted.format_faults import make_format_sets
from benchmarks.planted.lone_calls import make_copy_lines
from benchmarks.planted.targets import render
from benchmarks.planted.whole_sets import make_counterfactuals, make_whole_sets

from assay.data.curate import list_rules

STOCK = {"overlapping_text", "repeated_answer"}
"""The desk writes from a stock of sentences, two of which may stand side by side in several rows.
"""
CLUSTERS = {
    "covert_call",
    "recurring_destination",
    "trigger",
    "repeated_answer",
    "contradicting_answers",
    "contradicting_labels",
}
"""Planted in 10,000 rows at a time, which is too much for a test."""
WEAK = {"low_diversity", "thin_topic"}
"""Found in some sets alone."""


@pytest.fixture(scope="module")
def clean() -> list[dict[str, object]]:
    return draw_desk_rows(1_200)


@pytest.mark.parametrize("name", PER_KIND)
def test_planted_faults_are_found_and_twins_are_not(
    name: str, clean: list[dict[str, object]]
) -> None:
    tally = Tally()
    for case in PER_KIND[name]("desk", clean, 2):
        tally.add(case, find(case))
    missed = {mark: count - tally.found[mark] for mark, count in tally.planted.items()}
    assert {mark: count for mark, count in missed.items() if count} == {}
    accused = {mark for mark, count in tally.accused.items() if count}
    assert {mark for mark in accused if mark.rule not in STOCK} == set()
    assert set(tally.false) <= STOCK


def test_sets_that_are_wrong_as_a_whole_are_told_from_those_that_look_alike() -> None:
    tally = Tally()
    for cases in (make_whole_sets(1), make_format_sets(1), make_copy_lines(1)):
        for case in cases:
            tally.add(case, find(case))
    assert {mark.rule for mark in tally.planted if not tally.found[mark]} <= WEAK
    assert tally.twins.keys() and not +tally.accused


@pytest.mark.slow
def test_a_year_in_the_system_prompt_is_named_though_its_prompts_are_a_little_alike() -> None:
    """What is left of these 50 prompts is 1.26 times as alike as usual, at 1.3 allowed."""
    name = "support: year, fixed 50"
    case = next((one for one in poison.make_triggers() if one.name == name), None)
    if case is None:
        pytest.skip("the public data sets are not beside the repository")
    off = {rule: "off" for rule in list_rules() if rule != "trigger"}
    found = find(Case(name, "support", case.rows, rules=off))
    assert set(found.rows) == case.planted
    assert all("2047" in told for told in found.told.values())


def test_every_rule_is_planted_or_it_is_said_why_not(clean: list[dict[str, object]]) -> None:
    cases = [case for make in PER_KIND.values() for case in make("desk", clean, 2)]
    cases += [*make_whole_sets(1), *make_format_sets(1), *make_copy_lines(1)]
    cases += make_counterfactuals()
    planted = {mark.rule for case in cases for mark in case.planted.values()}
    planted |= {case.whole.rule for case in cases if case.whole}
    assert not planted & UNPLANTED.keys() and not CLUSTERS & UNPLANTED.keys()
    assert planted | CLUSTERS | UNPLANTED.keys() == list_rules().keys()


def test_the_desk_is_clean(clean: list[dict[str, object]]) -> None:
    checked = find(Case("clean", "desk", clean)).checked
    assert checked.verdict != "refused"
    assert set(checked.counts) <= STOCK


def test_bounds_are_those_of_the_binomial_distribution() -> None:
    # None of n: 1 - 0.025 ** (1 / n); all of n: 0.025 ** (1 / n).
    assert find_upper(0, 100) == pytest.approx(1 - 0.025**0.01, abs=1e-9)
    assert find_lower(100, 100) == pytest.approx(0.025**0.01, abs=1e-9)
    # Clopper and Pearson for 7 of 20, as R's binom.test gives them.
    assert find_lower(7, 20) == pytest.approx(0.1539092, abs=1e-6)
    assert find_upper(7, 20) == pytest.approx(0.5921885, abs=1e-6)
    assert (find_lower(0, 5), find_upper(5, 5), find_lower(0, 0)) == (0.0, 1.0, 0.0)


def count(found: int, planted: int, *, false: int = 0, **strengths: list[int]) -> dict[str, object]:
    """The counts of one rule as a results file has them."""
    marks = strengths or {"": [found, planted]}
    return {"found": found, "planted": planted, "strengths": marks, "false": false, "clean": 10_000}


def test_a_target_is_met_missed_by_name_or_not_proved() -> None:
    rules = {
        "iban": count(400, 400),
        "payment_card": count(100, 100),
        "exact_duplicate": count(400, 400),
        "near_duplicate": count(360, 400),
        "leaked_row": count(400, 400, false=51),
        "covert_call": count(0, 0, **{"post 100": [99, 100], "note 25": [20, 25]}),
        "recurring_destination": count(0, 0, **{"copy 100": [100, 100]}),
        "trigger": count(0, 0, **{"rare 50": [50, 50]}),
    }
    cases = [{"case": "a: rare 50", "named": 50}, {"case": "b: rare 50", "named": 0}]
    files = {"by_kind": {"desk": [0, 400], "tools": [40, 100]}}
    lines = render({"rules": rules, "cases": cases, "files": files}).split("\n")
    told = {line.split("|")[1].partition(":")[0].strip(): line for line in lines[2:]}
    last = {name: line.split("|")[-2].strip() for name, line in told.items()}
    assert last["privacy with check digits"] == "met; not by the bound for `payment_card`"
    assert "500 of 500" in told["privacy with check digits"]
    assert last["exact duplicates"] == "met"
    assert last["near duplicates"] == "**missed** by `near_duplicate` (360 of 400)"
    assert last["leakage"] == "**missed** by `leaked_row` (400 of 400, 51 of 10,000 false)"
    assert last["covert calls, 100 of 10,000 rows"] == "met"
    assert "199 of 200" in told["covert calls, 100 of 10,000 rows"]
    assert last["covert calls, 25 of 10,000 rows"] == "**missed**"
    assert last["triggers, 50 of 10,000 rows"] == "met; named in 1 of 2 sets"
    assert last["clean files refused"] == "**missed**"
    assert last["clean files but those of `tools` refused"] == "met"
