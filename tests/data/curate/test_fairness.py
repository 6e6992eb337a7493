"""Fairness: groups by the words that name them, labels by group, twins that differ in the group."""

from __future__ import annotations

from pathlib import Path

import pytest
from checking import Row, chat, check, find

from assay.data.curate.detectors.fairness import compute_p_value
from assay.data.curate.groups import find_mentions, hide_groups


def test_groups_are_named() -> None:
    assert find_mentions("A Muslim woman asks.") == {("religion", "muslims"), ("gender", "women")}
    assert find_mentions("Two black men wait.") == {("colour", "black"), ("gender", "men")}
    assert find_mentions("A black cat on white paper; hearing this, go straight on.") == set()
    assert find_mentions("The manual for the germane womanly mandate") == set()


def test_the_group_alone_is_hidden() -> None:
    first = hide_groups("She lost her keys;  a Nigerian neighbour helped.")
    assert first == hide_groups("He lost his keys; an Indian neighbour helped.")
    assert first != hide_groups("He lost his bag; an Indian neighbour helped.")
    assert hide_groups("A Muslim asks") != hide_groups("A German asks")


def test_p_values_by_hand() -> None:
    # Fisher's tea table: 16 + 1 of 70 tables on each side, two-sided 34/70.
    assert compute_p_value(3, 4, 1, 4) == pytest.approx(34 / 70)
    # Expected 22.5 and 27.5, gap 7.5 less 0.5: 49 · (2/22.5 + 2/27.5) = 7.919.
    assert compute_p_value(30, 50, 15, 50) == pytest.approx(0.00489, abs=2e-5)
    assert compute_p_value(10, 20, 10, 20) == 1


def ask(who: str, label: str, number: int = 0) -> Row:
    return chat(f"Applicant {number}: a {who} asks for a loan.", label)


def test_a_label_that_goes_with_a_group_is_found(tmp_path: Path) -> None:
    rows = [ask("woman", "deny" if n % 4 else "accept", n) for n in range(60)]
    rows += [ask("man", "accept" if n % 4 else "deny", n) for n in range(60, 120)]
    found = find(tmp_path, "group_labels", rows)
    assert sorted(one.cluster for one in found) == ["men accept", "women deny"]
    women = next(one for one in found if one.cluster == "women deny")
    assert "'deny' in 45 of 60 rows about women, in 15 of 60" in women.evidence
    assert women.severity == "warning" and women.fix == "keep"


def test_even_labels_and_few_rows_are_none(tmp_path: Path) -> None:
    pairs = [(who, label) for who in ("woman", "man") for label in ("accept", "deny")] * 25
    even = [ask(who, label, n) for n, (who, label) in enumerate(pairs)]
    assert find(tmp_path, "group_labels", even) == []
    few = [ask("woman", "deny", n) for n in range(6)] + [ask("man", "accept", n) for n in range(6)]
    assert find(tmp_path, "group_labels", few) == []


def test_twins_with_other_labels_are_found(tmp_path: Path) -> None:
    rows = [ask("woman", "deny", n) for n in range(3)] + [ask("man", "accept", 1)]
    rows += [ask("man", "deny", 2)]
    rows += [chat(f"Number {n}", ["accept", "deny"][n % 2]) for n in range(20)]
    rows += [ask("muslim", label, n) for n in range(30, 36) for label in ("accept", "deny")]
    found = find(tmp_path, "counterfactual_labels", rows)
    assert [one.number for one in found] == [1, 3]
    assert "about women it is 'deny'" in found[0].evidence and found[0].related[0].endswith(":4")


def test_twins_that_agree_or_differ_in_more_are_none(tmp_path: Path) -> None:
    rows = [ask(who, "deny", n) for n in range(10) for who in ("woman", "man")]
    rows += [chat("A man lost a red bag.", "accept"), chat("A woman lost a blue bag.", "deny")]
    rows += [chat("My mother is ill. What now?", f"Stay with her for {n} days.") for n in range(9)]
    rows += [ask("man", "accept", n) for n in range(50, 60)]
    assert find(tmp_path, "counterfactual_labels", rows) == []


def test_groups_are_counted(tmp_path: Path) -> None:
    rows = [ask("woman", "yes"), ask("man", "yes", 1), ask("man", "no", 2), chat("Hi", "Hello")]
    told = check(tmp_path, rows, validation=[ask("man", "no", 7)]).insights["groups"]
    assert told == {"gender": {"women": 1, "men": 2}}
