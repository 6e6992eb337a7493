"""Names by the optional recogniser: what it needs, and what it finds with a pipeline of rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from checking import chat, check, find

from assay.data.curate.detectors import recognised_names


def test_without_a_pipeline_it_is_not_measured(tmp_path: Path) -> None:
    rows = [chat("hi", "hello")]
    assert "person_name.model" in check(tmp_path, rows).not_measured["person_name"]


def test_without_the_package_it_says_which_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognised_names, "find_spec", lambda name: None)
    checked = check(tmp_path, [chat("hi", "hello")], rules={"person_name": {"model": "en_x"}})
    assert "`pii`" in checked.not_measured["person_name"]


@pytest.fixture
def pipeline(tmp_path: Path) -> str:
    """A blank pipeline with two names in its rules, on disk."""
    pytest.importorskip("presidio_analyzer", reason="the extra pii is not installed")
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    names = [{"label": "PERSON", "pattern": name} for name in ("Anna Schmidt", "Tom")]
    nlp.add_pipe("entity_ruler").add_patterns(names)
    nlp.to_disk(tmp_path / "names")
    spacy.blank("en").to_disk(tmp_path / "blank")
    return str(tmp_path / "names")


def test_names_are_found_with_their_place(tmp_path: Path, pipeline: str) -> None:
    rows = [chat("Is Anna Schmidt in?", "No, but Tom is."), chat("Who is?", "Nobody.")]
    rules = {"person_name": {"model": pipeline}}
    found = find(tmp_path, "person_name", rows, rules=rules)
    assert [(one.line, one.span.start, one.span.text) for one in found if one.span] == [
        (1, 3, "Anna Schmidt"),
        (1, 8, "Tom"),
    ]
    allowed = {"person_name": {"model": pipeline, "allow": ["Tom"]}}
    assert len(find(tmp_path, "person_name", rows, rules=allowed)) == 1


def test_what_finds_no_names_or_is_not_there_is_not_measured(tmp_path: Path, pipeline: str) -> None:
    for model, why in (("blank", "finds no names"), ("none", "none is downloaded")):
        rules = {"person_name": {"model": str(tmp_path / model)}}
        assert why in check(tmp_path, [chat("a", "b")], rules=rules).not_measured["person_name"]
