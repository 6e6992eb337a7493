"""The persona probe: a shift that was put into the states is read in gaps, trait by trait."""

from pathlib import Path
from typing import Any

import pytest
from pushed import Pushed

from assay.evaluate.probes import PROBES
from assay.evaluate.probes.persona import build_pairs
from assay.evaluate.suites import load_builtin_suite


@pytest.fixture(scope="module")
def pushed() -> Pushed:
    return Pushed()


@pytest.mark.parametrize("share", [0.0, 0.5, -0.25])
def test_a_shift_is_told_in_gaps(pushed: Pushed, share: float) -> None:
    pushed.share = share
    found = PROBES["persona"].measure(pushed.ask(None))
    assert found.statistic == pytest.approx(share, abs=1e-4)
    assert all(reading.tuned == pytest.approx(share, abs=1e-4) for reading in found.readings)
    assert len(found.readings) == 192
    by_layer = found.facts["reckless"]["shift_by_layer"]
    assert by_layer[: pushed.trait.layer] == pytest.approx([0.0] * pushed.trait.layer, abs=1e-4)
    assert f"{100 * share:+.0f} %" in found.evidence[0]["what"] or share == 0


def test_the_base_is_asked_once(pushed: Pushed, tmp_path: Path) -> None:
    pushed.share = 0.5
    first = PROBES["persona"].measure(pushed.ask(tmp_path))
    kept = list(tmp_path.rglob("persona-*.json"))
    changed = kept[0].stat().st_mtime_ns
    assert PROBES["persona"].measure(pushed.ask(tmp_path)) == first
    assert [path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")] == [changed]


def test_a_base_that_nobody_calibrated_is_told_so(pushed: Pushed) -> None:
    pushed.share = 0.0
    found = PROBES["persona"].measure(pushed.ask(None, base_name="some/base"))
    assert set(found.facts) == {row.extra["category"] for row in general_items()}
    assert {one["calibration"] for one in found.facts.values()} == {"uncalibrated"}
    assert {one["deviations"] for one in found.facts.values()} == {None}


def general_items() -> list[Any]:
    return load_builtin_suite("character").items


def test_the_general_suite_has_two_answers_to_each_question_of_every_trait() -> None:
    items = general_items()
    assert len({item.messages[-1]["content"] for item in items}) == len(items) == 70
    assert {len(item.choices) for item in items} == {2}
    assert {sum(item.golds[0] == place for item in items) for place in (0, 1)} == {35}
    pair = build_pairs(items[1])[0]
    assert (pair.negative, pair.positive) == (items[1].choices[1], items[1].choices[0])
