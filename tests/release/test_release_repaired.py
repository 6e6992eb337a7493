"""What a repair says of itself: gates that held, its cost, rows left out, and what it tried."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from assay.release.repaired import HELD, Repair, Tried
from assay.release.report.section_repair import render_repair
from assay.release.report.source import ReportSource


def make_tried(name: str, **changes: Any) -> Tried:
    values: dict[str, Any] = {
        "intervention": "scale",
        "setting": "0.85 of the update",
        "task": 0.5,
        "kept": 0.9,
        "failing": [],
        "passes": True,
        "is_chosen": False,
        "seconds": 5.0,
    }
    return Tried(name, **values | changes)


REPAIR = Repair(
    parent="desk-1",
    failed=["retention", "honesty/honesty", "honesty/honesty_calibration"],
    tried=[
        make_tried(HELD, intervention=HELD, kept=None, failing=["retention −79.7"], passes=False),
        make_tried("scale-0.85", is_chosen=True),
    ],
    skipped={"project": "no aligned weights"},
    left_out={"that the base refuses": 2, "that pull the base along a trait": 3},
    questions={"chosen_on": {"task": 36, "retention": 128}, "num_confirming": 900, "num_shared": 0},
    gain_before=0.4,
    gain_after=0.3,
)


def render(found: Repair | None) -> str:
    return str(render_repair(cast(ReportSource, SimpleNamespace(repair=found))))


def test_gates_of_one_kind_are_named_once() -> None:
    assert REPAIR.sentence.startswith("desk-1 was held by retention, honesty. Chosen out of 1 ")


def test_the_cost_is_the_share_of_the_gain_on_the_test_items() -> None:
    assert REPAIR.kept == 0.3 / 0.4
    assert REPAIR.cost.endswith("75.0 % of the gain is kept.".replace(" %", "\u202f%"))
    assert replace(REPAIR, gain_before=-0.1).kept is None
    assert replace(REPAIR, gain_after=None).cost == ""


def test_rows_that_were_left_out_are_counted_by_what_is_said_of_them() -> None:
    told = "2 that the base refuses, 3 that pull the base along a trait"
    assert REPAIR.unlearned == f"Training rows that its tunings left out: {told}."
    assert replace(REPAIR, left_out={}).unlearned == ""


def test_the_page_shows_every_candidate_and_marks_the_chosen_one() -> None:
    page = render(REPAIR)
    for text in (REPAIR.sentence, REPAIR.cost, REPAIR.unlearned):
        assert text in page
    rows = page.split("<tr")[2:]
    assert len(rows) == 2
    assert "as it was held" in rows[0]
    assert "retention −79.7" in rows[0]
    assert 'class="chosen"' in rows[1]
    assert "36 of task, 128 of retention" in page
    assert "900 other questions, of which none chose" in page
    assert "project: no aligned weights" in page
    assert render(None) == "None"
