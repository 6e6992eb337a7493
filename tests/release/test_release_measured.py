"""What people are shown of evaluation.json: every prompt, both splits, perplexities as such."""

from collections.abc import Callable

import pytest
from ruamel.yaml import YAML

from assay.evaluate.compare import Resampling
from assay.evaluate.items import Item, yes_no
from assay.evaluate.prompting import choose_prompting
from assay.evaluate.report import MeasuredSuite, Validation, build_evaluation
from assay.evaluate.scorers import score_perplexity
from assay.evaluate.suites import build_suite
from assay.release import render_card, render_report, wording
from assay.release.measured import read_suites
from assay.runs import RunFolder, read_json, write_json

MakeRun = Callable[..., RunFolder]
FAST = Resampling(num_resamples=300)


def items(prefix: str, n: int, metric: str = "exact") -> list[Item]:
    prompt = [{"role": "user", "content": "?"}]
    return [Item(f"{prefix}{i}", prompt, "yes", metric=metric) for i in range(n)]


def marks(text: str, prefix: str = "q") -> dict:
    return {f"{prefix}{i}": yes_no("exact", mark == "1") for i, mark in enumerate(text)}


def evaluate(*, best: int) -> dict:
    """Four test and two validation items; `best` is the number of shots that validation chose."""
    few = {0: "10" if best == 0 else "00", 4: "01"}
    choice = choose_prompting({k: marks(few[k] if k or best == 0 else "00", "v") for k in few})
    assert choice.shots == best
    suite = build_suite(items("q", 4), name="task", kind="task")
    test = {"base": marks("0001"), "shots_4": marks("0011"), "tuned": marks("1111")}
    test["prompted"] = test["base"] if best == 0 else test["shots_4"]
    held = {name: marks("01", "v") for name in ("base", "shots_4", "prompted", "tuned")}
    measured = MeasuredSuite(suite, test, choice, validation=Validation(items("v", 2), held))
    return build_evaluation([measured], decoding={}, resampling=FAST)


@pytest.mark.parametrize("best", [0, 4])
def test_every_prompt_is_shown_and_the_chosen_one_marked(best: int) -> None:
    evaluation = evaluate(best=best)
    (suite,) = read_suites(evaluation)
    mark = " (chosen on validation)"
    titles = ["base, zero-shot", "base, 4 shots", "tuned"]
    titles[0 if best == 0 else 1] += mark
    assert [model.title for model in suite.models] == titles
    assert [model.measured.mean for model in suite.models] == [0.25, 0.5, 1.0]
    assert [model.measured.n for model in suite.models] == [4, 4, 4]
    assert [model.title for model in suite.validation] == titles
    assert {model.measured.n for model in suite.validation} == {2}
    validation = evaluation["suites"]["task"]["validation"]
    assert (validation["n"], validation["shots_4"]["shots"]) == (2, 4)
    assert validation["tuned"]["low"] < 0.5 < validation["tuned"]["high"]
    assert evaluation["suites"]["task"]["shots_4"]["num_groups"] == 4


def test_report_and_card_show_every_prompt_on_both_splits(make_run: MakeRun) -> None:
    run = make_run()
    evaluation = {**read_json(run.evaluation), **evaluate(best=0)}
    write_json(run.evaluation, evaluation)
    html, card = render_report(run), render_card(run)
    for page in (html, card):
        assert "base, zero-shot (chosen on validation)" in page
        assert "base, 4 shots" in page and "only the test rows confirm" in page
    assert "| base, 4 shots | 4 | 50.0\u202f% [15.0, 85.0] | 2 | 50.0\u202f% [9.5, 90.5] |" in card


def test_evaluations_without_every_prompt_show_the_prompted_base() -> None:
    value = {"base": {"mean": 0.1}, "prompted": {"mean": 0.2, "shots": 4}, "tuned": {"mean": 0.3}}
    (suite,) = read_suites({"suites": {"task": value}})
    titles = ["base, zero-shot", "base, 4 shots", "tuned"]
    assert [model.title for model in suite.models] == titles


def perplexity_evaluation() -> dict:
    suite = build_suite(items("q", 6, "perplexity"), name="task", kind="task")
    # Nats per token: base ln 16 on average, tuned ln 8, with some spread.
    spread = [0.8, 0.9, 1.0, 1.0, 1.1, 1.2]
    scores = {
        name: {f"q{i}": score_perplexity(-nats * share * 10, 10) for i, share in enumerate(spread)}
        for name, nats in (("base", 2.772589), ("prompted", 2.772589), ("tuned", 2.079442))
    }
    return build_evaluation([MeasuredSuite(suite, scores)], decoding={}, resampling=FAST)


def test_perplexities_are_shown_as_such_with_their_interval() -> None:
    evaluation = perplexity_evaluation()
    tuned = evaluation["suites"]["task"]["tuned"]
    assert tuned["perplexity"] == pytest.approx(8, abs=1e-3)
    assert tuned["perplexity_low"] < 8 < tuned["perplexity_high"] < 16
    (suite,) = read_suites(evaluation)
    shown = wording.measured(suite.arms["tuned"])
    assert shown.startswith("perplexity 8 [") or shown.startswith("perplexity 8.0")
    assert "%" not in shown
    assert "points of token probability [" in wording.gain(suite.vs_base)


def test_no_page_prints_a_perplexity_as_a_percentage(make_run: MakeRun) -> None:
    run = make_run()
    evaluation = {**read_json(run.evaluation), **perplexity_evaluation()}
    write_json(run.evaluation, evaluation)
    card, html = render_card(run), render_report(run)
    header = YAML(typ="safe").load(card.split("---\n")[1])
    (metric,) = header["model-index"][0]["results"][0]["metrics"]
    assert metric["type"] == "perplexity"
    assert metric["value"] == pytest.approx(8, abs=1e-3)
    probability = wording.percent(evaluation["suites"]["task"]["tuned"]["mean"])
    assert probability not in card and probability not in html
    assert html.count("perplexity 8") >= 3 and card.count("perplexity 8") >= 2
