"""The check as a whole: places, verdicts, settings, what is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from checking import chat, check, find

from assay.data.curate import Finding, list_detectors, list_rules, settle
from assay.errors import DataError

HELLO = chat("hi", "hello", source="desk", license="mit")


def test_copies_name_the_first_row(tmp_path: Path) -> None:
    rows = [HELLO, chat("bye", "see you"), chat("hi ", "hello"), HELLO, chat("bye", "see you")]
    found = find(tmp_path, "exact_duplicate", rows)
    assert [(one.line, one.related[0].rsplit(":", 1)[1]) for one in found] == [
        (3, "1"),
        (4, "1"),
        (5, "2"),
    ]
    assert found[1].row == f"{found[1].row.split('-')[0]}-2"
    assert not find(tmp_path, "exact_duplicate", [HELLO, chat("hi", "Hello")])


def test_an_unusable_row_is_an_error_that_can_be_accepted(tmp_path: Path) -> None:
    rows = [HELLO, chat("hi", "")]
    checked = check(tmp_path, rows)
    assert (checked.verdict, checked.counts) == (
        "refused",
        {"empty_answer": {"findings": 1, "rows": 1}},
    )
    assert next(checked.findings).line == 2
    assert check(tmp_path, rows, accept=["empty_answer"]).verdict == "warnings"
    assert check(tmp_path, rows, accept=["empty_answer"]).accepted == ("empty_answer",)
    assert check(tmp_path, rows, rules={"empty_answer": "warning"}).verdict == "warnings"
    assert check(tmp_path, [HELLO]).verdict == "clean"


def test_findings_read_back_equal(tmp_path: Path) -> None:
    checked = check(tmp_path, [HELLO, HELLO])
    for finding in checked.findings:
        assert Finding.from_json(finding.to_json()) == finding
        emptied = replace(finding, repaired="", label="", index=0)
        assert Finding.from_json(emptied.to_json()) == emptied


def test_every_wrong_setting_is_told_at_once() -> None:
    given = {"exact_duplikate": "off", "exact_duplicate": "loud", "unusable_row": {"often": 3}}
    with pytest.raises(DataError) as error:
        settle(given, ["unusable"])
    assert [problem.key for problem in error.value.problems] == [
        "data.rules.exact_duplikate",
        "data.rules.exact_duplicate",
        "data.rules.unusable_row.often",
        "data.accept",
    ]
    assert "did you mean exact_duplicate" in str(error.value)


def test_every_rule_stands_in_one_detector_and_says_what_it_means() -> None:
    names = [rule.name for detector in list_detectors() for rule in detector.rules]
    assert len(names) == len(set(names)) == len(list_rules())
    assert all(rule.meaning.endswith(".") for rule in list_rules().values())
