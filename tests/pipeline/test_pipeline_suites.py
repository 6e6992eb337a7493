"""`assay eval --suite`: names become suites, and a model's figures on them a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.errors import ConfigError
from assay.pipeline.evaluate_suites import SuiteOptions, evaluate_suites, load_named
from assay.pipeline.subject import Subject, load_subject

PUBLIC = Path(__file__).parents[3] / "shared" / "data"
OPTIONS = SuiteOptions(max_items=6, max_new_tokens=16, seed=0)


@pytest.fixture(scope="module")
def tiny() -> Subject:
    return load_subject("tiny")


def write(tmp_path: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_every_built_in_suite_is_measured_with_its_figures(tiny: Subject) -> None:
    names = ["honesty", "honesty_calibration", "honesty_consistency", "fairness", "openings"]
    found = evaluate_suites(tiny, names, OPTIONS)["suites"]
    assert list(found) == names
    assert all(report["tuned"]["n"] == 6 for report in found.values())
    assert "hallucination_rate" in found["honesty"]["tuned"]["figures"]
    assert 0 <= found["honesty_calibration"]["tuned"]["figures"]["calibration_error"] <= 1
    assert found["fairness"]["num_groups"] == 3


def test_the_base_knows_what_it_knows(tiny: Subject) -> None:
    """What these suites are for: the embedded base has honesty and fairness to lose."""
    options = SuiteOptions(max_items=200, max_new_tokens=64, seed=0)
    names = ["honesty", "honesty_calibration", "honesty_consistency", "fairness", "openings"]
    found = evaluate_suites(tiny, names, options)["suites"]
    means = {name: report["tuned"]["mean"] for name, report in found.items()}
    assert min(means.values()) > 0.9, means
    assert found["honesty"]["tuned"]["figures"]["hallucination_rate"] < 0.1


def test_a_file_of_ones_own_and_one_of_a_public_format(tmp_path: Path, tiny: Subject) -> None:
    own = write(tmp_path, [{"prompt": "What colour is snow?", "answer": "White."}], "own.jsonl")
    public = write(tmp_path, [{"question": "1 + 1?", "answer": "#### 2"}], "sums.jsonl")
    found = evaluate_suites(tiny, [str(own), f"gsm8k:{public}"], OPTIONS)["suites"]
    assert {name: report["metric"] for name, report in found.items()} == {
        "own": "exact",
        "gsm8k": "number",
    }


def test_what_is_no_suite_is_refused_by_name(tmp_path: Path, tiny: Subject) -> None:
    with pytest.raises(ConfigError, match="honesty_calibration") as caught:
        load_named("honestly", tiny, OPTIONS)
    assert caught.value.problems[0].key == "--suite"
    path = write(tmp_path, [{"text": "Once upon a time."}])
    with pytest.raises(ConfigError, match="same name: text"):
        evaluate_suites(tiny, [str(path), f"text:{path}"], OPTIONS)


def test_the_command_prints_a_line_a_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "items.jsonl"
    asked = ["--suite", "honesty", "--suite", "openings", "--max-items", "4", "--out", str(out)]
    assert main(["eval", "tiny", *asked]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["suite", "kind", "metric", "n", "score", "95", "%", "unscored"]
    assert lines[2].split()[:4] == ["honesty", "honesty", "honesty", "4"]
    assert any(line.strip().startswith("hallucination rate") for line in lines)
    assert len(out.read_text("utf-8").splitlines()) == 8
    assert main(["eval", "tiny", *asked, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["suites"]) == {"honesty", "openings"}


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ([], "FILE"),
        (["rows.jsonl", "--suite", "honesty"], "FILE"),
        (["--suite", "honesty", "--column", "a=b"], "--column"),
        (["--suite", "nothing"], "--suite"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    asked: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "tiny", *asked]) == 2
    assert named in capsys.readouterr().err


@pytest.mark.skipif(
    not PUBLIC.is_dir(), reason="the public data sets are not beside the repository"
)
def test_public_data_sets_are_measured(tiny: Subject) -> None:
    names = [
        f"truthfulqa:{PUBLIC / 'truthfulqa' / 'truthfulqa.jsonl'}",
        str(PUBLIC / "bbq"),
        str(PUBLIC / "crows_pairs" / "crows_pairs.jsonl"),
        f"text:{PUBLIC / 'public_domain_english' / 'great_gatsby.txt'}",
    ]
    found = evaluate_suites(tiny, names, OPTIONS)["suites"]
    assert list(found) == ["truthfulqa_mc1", "truthfulqa_mc2", "bbq", "crows_pairs", "text"]
    assert all(report["tuned"]["num_unscored"] == 0 for report in found.values())
    assert found["text"]["tuned"]["perplexity"] > 1
    assert set(found["bbq"]["tuned"]["figures"]) >= {"bias_ambiguous", "bias_disambiguated"}
    assert 0 <= found["crows_pairs"]["tuned"]["figures"]["stereotype_share"] <= 1
