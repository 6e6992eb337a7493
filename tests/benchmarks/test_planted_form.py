"""Planted faults of form: each is found at its row, and what looks like it is not."""

from __future__ import annotations

from benchmarks.planted.form import FAMILY, find, load_clean, plant
from benchmarks.planted.form_faults import FAULTS, TWINS

from assay.data.curate import list_rules

# Told by many rows together, found by the reader alone in other formats, or only noteworthy.
UNPLANTED = {
    "unusable_row",
    "broken_csv",
    "broken_tool",
    "missing_column",
    "empty_prompt",
    "broken_schema",
    "html_tag",
    "length_cap",
}


def test_every_rule_of_form_is_planted() -> None:
    assert set(FAMILY) - UNPLANTED == set(FAULTS) and set(TWINS) <= set(FAULTS)
    assert set(list_rules()) >= UNPLANTED


def test_planted_faults_are_found_and_twins_are_not() -> None:
    made = plant(load_clean("support", 600), count=6, seed=3)
    found = find(made.rows)
    missed = {at: rule for at, rule in made.faults.items() if rule not in found.get(at, ())}
    assert missed == {}
    false = {at: (found[at], made.twins.get(at)) for at in found if at not in made.faults}
    assert false == {}
