"""A sweep in report and card: every candidate's curve and ending, and which one was chosen."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from assay.release import render_card, render_report
from assay.release.swept import read_sweep
from assay.runs import RunFolder

MakeRun = Callable[..., RunFolder]
HOSTILE = "flavours </script><b>"


def describe(name: str, label: str, losses: list[float], failed: str | None = None) -> Any:
    training = {
        "loss_validation_best": min(losses),
        "best_step": 2 * (1 + losses.index(min(losses))),
        "num_steps": 2 * len(losses),
        "stopped_early": len(losses) < 4,
    }
    done = None if failed else training
    return {"name": name, "label": label, "setting": {}, "training": done, "failed": failed}


@pytest.fixture
def swept(make_run: MakeRun) -> RunFolder:
    """Three candidates of four, three and two evaluations; the second runs away and fails."""
    run = make_run()
    losses = {"c1": [3.0, 2.0, 1.5, 1.25], "c2": [3.0, 80.0], "c3": [3.0, 2.5, 2.75]}
    labels = {"c1": "learning_rate 0.001", "c2": HOSTILE, "c3": "learning_rate 0.01"}
    for name, own in losses.items():
        candidate = RunFolder(run.path / "sweep" / name)
        for step in range(1, 2 * len(own) + 1):
            record: dict[str, Any] = {"step": step, "train/loss": 3.5 / step}
            if step % 2 == 0:
                record["eval/loss"] = own[step // 2 - 1]
            candidate.append_metrics(record)
    candidates = [
        describe(name, labels[name], own, "not finite" if name == "c2" else None)
        for name, own in losses.items()
    ]
    run.update_manifest(
        {
            "sweep": {
                "chosen": "c1",
                "chosen_by": "validation loss",
                "num_validation": 36,
                "candidates": candidates,
            }
        }
    )
    return run


def read_section(html: str) -> str:
    (section,) = re.findall(r'<section id="sweep".*?</section>', html, re.DOTALL)
    return section


def test_all_curves_are_laid_over_one_another(swept: RunFolder) -> None:
    section = read_section(render_report(swept))
    lines = re.findall(r'<polyline points="([^"]*)" class="curve k(\d) d0( chosen)?"', section)
    assert [(number, chosen) for _, number, chosen in lines] == [
        ("1", ""),
        ("2", ""),
        ("0", " chosen"),
    ] * 2
    points = [[tuple(map(float, p.split(","))) for p in line.split()] for line, _, _ in lines]
    assert [len(line) for line in points] == [2, 3, 4, 4, 6, 8]
    # All begin at step 2 with the same loss; only the chosen one reaches the right end.
    assert len({line[0] for line in points[:3]}) == 1
    assert [line[-1][0] for line in points[:3]] == [
        pytest.approx(x, abs=0.1) for x in (60 + 920 / 3, 60 + 920 * 2 / 3, 980)
    ]
    # A loss of 80 is drawn along the top, below which 3.0 still lies in the upper half.
    assert 12 <= points[0][1][1] < points[0][0][1] < 130


def test_the_table_says_how_each_one_ended(swept: RunFolder) -> None:
    section = read_section(render_report(swept))
    rows = re.findall(r"<tr>(.*?)</tr>", section)[1:]
    words = [re.sub(r"<[^>]*>", "|", row) for row in rows]
    cells = [[cell for cell in row.split("|") if cell] for row in words]
    assert cells == [
        ["c1", "learning_rate 0.001", "1.2500", "8", "8", "chosen"],
        ["c2", "flavours &lt;/script&gt;&lt;b&gt;", "not finite", "–", "–", "–", "failed"],
        ["c3", "learning_rate 0.01", "2.5000", "4", "6, early"],
    ]


def test_card_and_report_say_what_was_chosen_out_of_how_many(swept: RunFolder) -> None:
    sweep = read_sweep(swept)
    assert sweep is not None
    assert sweep.sentence == (
        "Chosen out of 3 candidates by validation loss (1.25 on 36 rows): learning_rate 0.001."
        " It alone was measured on the test rows."
    )
    assert sweep.sentence in render_report(swept)
    assert "- Sweep: Chosen out of 3 candidates" in render_card(swept)


def test_a_run_without_a_sweep_has_no_such_section(make_run: MakeRun) -> None:
    assert 'id="sweep"' not in render_report(make_run())
    assert "Sweep" not in render_card(make_run())
