"""Source, licence, consent and date: of rows, of files, and of licences together."""

from __future__ import annotations

from pathlib import Path

import pytest
from checking import chat, check, find

from assay.config import SourceConfig
from assay.data.curate import check_parts
from assay.data.curate.licences import find_conflict, find_licence


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("cc-by-4.0", "CC-BY-4.0"),
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("cc by nc 4.0", "CC-BY-NC-4.0"),
        ("cc by nc sa 3.0", "CC-BY-NC-SA-3.0"),
        ("CC-BY-ND-2.5", "CC-BY-ND-2.5"),
        ("cc-by-sa-3.0-de", "CC-BY-SA-3.0-DE"),
        ("CC-BY-NC-ND", "CC-BY-NC-ND-4.0"),
        ("Apache 2.0", "Apache-2.0"),
        ("apache", "Apache-2.0"),
        ("MIT License", "MIT"),
        ("mit", "MIT"),
        ("public domain", "CC0-1.0"),
        ("GPL-3.0-only", "GPL-3.0"),
        ("odbl", "ODbL-1.0"),
        ("research only", "research-only"),
        ("internal", "proprietary"),
        ("ask Bob", None),
        ("cc", None),
    ],
)
def test_licences_are_known_by_the_names_that_people_write(name: str, known: str | None) -> None:
    licence = find_licence(name)
    assert (licence.id if licence else None) == known


@pytest.mark.parametrize(
    ("a", "b", "conflict"),
    [
        ("CC-BY-SA-4.0", "GPL-3.0", True),
        ("CC-BY-SA-4.0", "CC-BY-SA-3.0", False),
        ("CC-BY-SA-4.0", "CC-BY-NC-4.0", True),
        ("CC-BY-NC-4.0", "CC-BY-SA-4.0", True),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", False),
        ("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0", True),
        ("MIT", "GPL-3.0", False),
        ("CC-BY-4.0", "CC-BY-NC-4.0", False),
    ],
)
def test_conflicts_are_those_of_the_licences_texts(a: str, b: str, conflict: bool) -> None:
    first, second = find_licence(a), find_licence(b)
    assert first and second
    assert (find_conflict(first, second) is not None) == conflict


def test_rows_without_source_are_one_finding_of_their_file(tmp_path: Path) -> None:
    rows = [chat(f"q{n}", f"a{n}", **({"source": "desk"} if n % 3 else {})) for n in range(9)]
    (found,) = find(tmp_path, "missing_source", rows)
    assert (found.line, found.severity) == (1, "info")
    assert found.evidence.startswith("3 of 9 rows of ")
    assert not find(tmp_path, "missing_source", [{**row, "url": "desk"} for row in rows])


def test_terms_and_conflicts_are_told_once_for_each_licence(tmp_path: Path) -> None:
    names = ["cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0", "cc-by-nd-4.0", "ask Bob", "mit"]
    rows = [chat(f"q{n}", f"a{n}", license=names[n % 6]) for n in range(24)]
    checked = check(tmp_path, rows)
    lines = {one.rule: one.line for one in checked.findings if one.rule.endswith("licence")}
    assert lines == {
        "non_commercial_licence": 2,
        "share_alike_licence": 3,
        "no_derivatives_licence": 4,
        "unknown_licence": 5,
    }
    (conflict,) = [one for one in checked.findings if one.rule == "conflicting_licences"]
    assert "4 rows under CC-BY-NC-4.0, 4 under CC-BY-SA-4.0" in conflict.evidence
    assert checked.verdict == "warnings"


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("consent", False, "no_consent"),
        ("consent", "withdrawn", "no_consent"),
        ("consent", True, None),
        ("consent", "2024-01-03, by form", None),
        ("collected", "2099-01-01", "odd_date"),
        ("collected", "soon", "odd_date"),
        ("collected", "2024-02-30", "odd_date"),
        ("collected", "2024-02-29T10:00:00+00:00", None),
        ("collected", "2023", None),
    ],
)
def test_consent_and_dates(tmp_path: Path, column: str, value: object, rule: str | None) -> None:
    checked = check(tmp_path, [chat("q", "a", **{column: value})])
    found = {one.rule for one in checked.findings} & {"no_consent", "odd_date"}
    assert found == ({rule} if rule else set())
    assert (checked.verdict == "refused") == (rule == "no_consent")


def test_a_source_can_say_it_for_all_of_its_rows(tmp_path: Path) -> None:
    import json

    rows = [chat("q0", "a"), chat("q1", "b", license="mit", source="web")]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    provenance = {"source": "desk", "licence": "cc-by-nc-4.0", "consent": "yes"}
    source = SourceConfig(path="a.jsonl", provenance=provenance)
    checked = check_parts({"train": [source]}, base_dir=tmp_path, work=tmp_path / "w")
    found = {one.rule: one.evidence for one in checked.findings}
    assert "missing_source" not in found and "missing_licence" not in found
    assert found["non_commercial_licence"] == "1 row under CC-BY-NC-4.0"
