"""evaluation.json from scores, and items.jsonl back to scores."""

import json

import pytest

from assay.errors import EvaluationError
from assay.evaluate.choose import MIXED
from assay.evaluate.compare import Resampling, compare_scores, summarise_scores
from assay.evaluate.gates import evaluate_gates, load_policy
from assay.evaluate.items import Item, Score, failed, yes_no
from assay.evaluate.log import build_item_line, read_item_line
from assay.evaluate.prompting import choose_prompting
from assay.evaluate.report import MeasuredSuite, build_evaluation
from assay.evaluate.scorers import score_outputs, score_perplexity
from assay.evaluate.stats import paired_bootstrap
from assay.evaluate.suites import build_suite

FAST = Resampling(num_resamples=300)
PROMPT = [{"role": "user", "content": "?"}]


def marks(text, prefix="q"):
    """Scores from a string of 1, 0 and - (unscored)."""
    unscored = Score("exact", None, None, {}, "cut")
    scores = {"1": yes_no("exact", True), "0": yes_no("exact", False), "-": unscored}
    return {f"{prefix}{i}": scores[mark] for i, mark in enumerate(text)}


def suite_of(n, *, name="task", kind="task", prefix="q"):
    items = [Item(f"{prefix}{i}", PROMPT, "yes", metric="exact") for i in range(n)]
    return build_suite(items, name=name, kind=kind)


def test_a_comparison_by_hand():
    found = compare_scores(marks("1110"), marks("0100"), statistic="value", resampling=FAST)
    assert (found["n"], found["difference"]) == (4, 0.5)
    assert (found["n01"], found["n10"], found["p_value"]) == (0, 2, 0.5)
    assert (found["test"], found["confidence"]) == ("mcnemar", 0.95)


def test_unscored_items_leave_both_sides():
    found = compare_scores(marks("1-10"), marks("00-0"), statistic="value", resampling=FAST)
    assert (found["n"], found["num_unscored"], found["difference"]) == (2, 2, 0.5)


def test_one_crash_of_a_metric_reaches_the_gate_of_its_kind():
    crashed = failed("m.py:f", "m.py f: got ValueError: x for row q0")
    tuned = {**marks("1" * 80), "q0": crashed, "q7": crashed}
    keep = MeasuredSuite(
        suite_of(80, name="general", kind="retention"), {"base": marks("1" * 80), "tuned": tuned}
    )
    evaluation = build_evaluation([keep], decoding={}, resampling=FAST)
    comparison = evaluation["pooled"]["retention"]["comparisons"]["tuned_vs_base"]
    assert (comparison["n"], comparison["num_unscored"]) == (78, 2)
    gates = evaluate_gates(evaluation, {}, load_policy("standard"))
    (gate,) = [gate for gate in gates if gate.name == "retention"]
    assert (gate.outcome, gate.required, gate.code) == ("not_measured", True, "metric_failed")
    assert gate.reason == (
        "The metric failed: m.py f: got ValueError: x for row q0 (the first of 2)."
    )


def test_different_items_are_not_paired():
    with pytest.raises(EvaluationError, match=r"different items \(2 in one alone: q3, q4\)"):
        compare_scores(marks("11100"), marks("111"), statistic="value", resampling=FAST)


def test_scores_are_paired_by_id_whatever_their_order():
    a, b = marks("1100"), marks("1010")
    shuffled = dict(reversed(b.items()))
    found = compare_scores(a, shuffled, statistic="value", resampling=FAST)
    assert found == compare_scores(a, b, statistic="value", resampling=FAST)


def test_without_shared_groups_items_are_what_is_independent():
    a, b = marks("1101010111"), marks("0101110001")
    left, right = ([score.value for score in each.values()] for each in (a, b))
    alone = compare_scores(a, b, statistic="value", resampling=FAST)
    interval = paired_bootstrap(left, right, num_resamples=300)
    assert (alone["low"], alone["high"]) == (interval.low, interval.high)
    assert (alone["test"], alone["num_groups"]) == ("mcnemar", 10)
    own = {key: f"group:{key}" for key in a}
    assert compare_scores(a, b, statistic="value", resampling=FAST, groups=own) == alone
    summary = summarise_scores(a, statistic="value", resampling=FAST, groups=own)
    assert summary == summarise_scores(a, statistic="value", resampling=FAST)
    assert (summary["interval"], summary["num_groups"]) == ("wilson", 10)


def test_shared_groups_are_what_is_independent():
    a, b = marks("1111111111-1"), marks("000000110000")
    pairs = {key: str(place // 2) for place, key in enumerate(a)}
    found = compare_scores(a, b, statistic="value", resampling=FAST, groups=pairs)
    assert (found["n"], found["num_groups"], found["num_unscored"]) == (11, 6, 1)
    # Group sums 2, 2, 2, 0, 2, 1: only 2 of the 2^5 sign patterns reach 9.
    assert (found["test"], found["p_value"]) == ("group_sign_flip", 2 / 32)
    assert (found["n01"], found["n10"], found["difference"]) == (0, 9, 9 / 11)
    alone = compare_scores(a, b, statistic="value", resampling=FAST)
    assert found["low"] < alone["low"] and found["detectable"] > alone["detectable"]


def test_one_group_has_a_difference_and_no_interval():
    groups = dict.fromkeys(marks("1110"), "all")
    found = compare_scores(
        marks("1110"), marks("0100"), statistic="value", resampling=FAST, groups=groups
    )
    assert (found["num_groups"], found["difference"]) == (1, 0.5)
    assert found["low"] is found["high"] is found["p_value"] is found["test"] is None
    summary = summarise_scores(marks("1110"), statistic="value", resampling=FAST, groups=groups)
    assert (summary["mean"], summary["low"], summary["interval"]) == (0.75, None, None)


def test_groups_of_items_reach_every_comparison_and_the_pool():
    def grouped(name, names):
        items = [
            Item(f"q{place}", PROMPT, "yes", metric="exact", group=group)
            for place, group in enumerate(names)
        ]
        return build_suite(items, name=name, kind="retention")

    scores = {"base": marks("1111"), "tuned": marks("1001")}
    a = MeasuredSuite(grouped("a", ["x", "x", "y", None]), scores)
    b = MeasuredSuite(grouped("b", ["y", "z", "z", None]), scores)
    evaluation = build_evaluation([a, b], decoding={}, resampling=FAST)
    suite, pooled = evaluation["suites"]["a"], evaluation["pooled"]["retention"]
    assert (suite["n"], suite["num_groups"], suite["tuned"]["num_groups"]) == (4, 3, 3)
    assert suite["comparisons"]["tuned_vs_base"]["num_groups"] == 3
    # x, y (of both), z, and an item alone in each.
    assert (pooled["n"], pooled["num_groups"]) == (8, 5)
    assert pooled["comparisons"]["tuned_vs_base"]["test"] == "group_sign_flip"
    json.dumps(evaluation, allow_nan=False)


def test_the_evaluation_has_what_the_report_shows():
    choice = choose_prompting({0: marks("10", "v"), 4: marks("11", "v")})
    task = MeasuredSuite(
        suite_of(4),
        {"base": marks("0000"), "prompted": marks("1000"), "tuned": marks("1110")},
        choice,
    )
    keep = MeasuredSuite(
        suite_of(2, name="general", kind="retention"), {"base": marks("11"), "tuned": marks("10")}
    )
    evaluation = build_evaluation(
        [task, keep],
        decoding={"temperature": 0.0, "seed": 0},
        train={"loss_train": 0.1, "loss_validation": 0.2},
        resampling=FAST,
    )
    json.dumps(evaluation, allow_nan=False)
    suite = evaluation["suites"]["task"]
    assert (suite["kind"], suite["metric"], suite["n"]) == ("task", "exact", 4)
    assert suite["tuned"]["mean"] == 0.75
    assert suite["prompted"]["shots"] == 4
    assert suite["prompted"]["validation"] == {"n": 2, "means": {"0": 0.5, "4": 1.0}}
    assert suite["comparisons"]["tuned_vs_base"]["difference"] == 0.75
    assert suite["comparisons"]["tuned_vs_prompted"]["difference"] == 0.5
    assert evaluation["pooled"]["retention"]["comparisons"]["tuned_vs_base"]["difference"] == -0.5
    assert evaluation["statistics"] == {"confidence": 0.95, "seed": 0, "num_resamples": 300}


def test_pooling_weighs_items_alike():
    a = MeasuredSuite(
        suite_of(3, name="a", kind="retention"), {"base": marks("111"), "tuned": marks("110")}
    )
    b = MeasuredSuite(
        suite_of(1, name="b", kind="retention"), {"base": marks("0"), "tuned": marks("1")}
    )
    pooled = build_evaluation([a, b], decoding={}, resampling=FAST)["pooled"]["retention"]
    assert (pooled["n"], pooled["suites"]) == (4, ["a", "b"])
    assert pooled["base"]["mean"] == pooled["tuned"]["mean"] == 0.75


def mixed():
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    texts = ["billing", "returns"] * 15
    items = [Item(f"l{i}", PROMPT, text) for i, text in enumerate(texts)]
    items.append(Item("c", PROMPT, call))
    return build_suite(items, name="task", kind="task"), texts


def test_a_mixed_suite_counts_correct_items_and_breaks_them_down():
    suite, texts = mixed()
    call = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    scores = {
        "base": score_outputs(suite.items, ["billing"] * 31),
        "tuned": score_outputs(suite.items, [*texts, call]),
    }
    evaluation = build_evaluation([MeasuredSuite(suite, scores)], decoding={}, resampling=FAST)
    report = evaluation["suites"]["task"]
    assert (report["metric"], report["statistic"]) == (MIXED, "correct")
    assert report["tuned"]["mean"] == 1.0
    assert report["base"]["mean"] == pytest.approx(15 / 31)
    parts = report["per_metric"]
    assert parts["classification"]["n"] == 30
    assert parts["tool_call"]["n"] == 1
    assert parts["classification"]["base"]["mean"] == 0.5
    billing, returns = report["per_class"]
    assert (billing["label"], billing["support"]) == ("billing", 15)
    assert billing["base"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3)}
    assert returns["tuned"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    wrong = {"reference": "returns", "predicted": "billing", "count": 15}
    assert report["confusions"] == {"base": [wrong], "tuned": []}


def test_perplexity_is_reported_over_the_corpus():
    items = [Item(str(i), PROMPT, "x", metric="perplexity") for i in range(2)]
    suite = build_suite(items, name="task", kind="task")
    scores = {"base": {"0": score_perplexity(-2.0, 1), "1": score_perplexity(0.0, 1)}}
    report = build_evaluation([MeasuredSuite(suite, scores)], decoding={}, resampling=FAST)
    assert report["suites"]["task"]["base"]["perplexity"] == pytest.approx(2.718281828)


def test_what_would_compare_unlike_things_is_refused():
    scores = {"base": marks("00"), "tuned": marks("11")}
    with pytest.raises(EvaluationError, match="base was scored on 2 items, not on the 3"):
        build_evaluation([MeasuredSuite(suite_of(3), scores)], decoding={})
    with pytest.raises(EvaluationError, match="same name"):
        build_evaluation([MeasuredSuite(suite_of(2), scores)] * 2, decoding={})
    choice = choose_prompting({0: marks("10")})
    with pytest.raises(EvaluationError, match="chosen on 2 of its items"):
        build_evaluation([MeasuredSuite(suite_of(2), scores, choice)], decoding={})


def test_the_cheaper_prompt_wins_a_tie_and_unscored_counts_nothing():
    assert choose_prompting({4: marks("10"), 0: marks("01")}).shots == 0
    assert choose_prompting({0: marks("1-"), 4: marks("11")}).shots == 4
    with pytest.raises(EvaluationError):
        choose_prompting({0: marks("10"), 4: marks("101")})
    with pytest.raises(EvaluationError):
        choose_prompting({})


def test_scores_can_be_computed_anew_from_the_log():
    item = Item("1", PROMPT, "Paris", metric="exact", alternatives=("Lutetia",))
    outputs = {"base": "Rome", "tuned": "paris"}
    scores = {name: score_outputs([item], [text])["1"] for name, text in outputs.items()}
    line = json.loads(json.dumps(build_item_line(item, outputs, scores)))
    again, said = read_item_line(line)
    assert (again, said) == (item, outputs)
    assert score_outputs([again], [said["tuned"]])["1"].to_dict() == line["tuned"]["score"]


def test_counts_stand_beside_a_models_means():
    counts = {"base": {"num_ended_by_length": 3}, "prompted": {"num_fewer_shots": 2}}
    scores = {"base": marks("01"), "prompted": marks("11"), "tuned": marks("11")}
    measured = MeasuredSuite(suite_of(2), scores, counts=counts)
    report = build_evaluation([measured], decoding={}, resampling=FAST)["suites"]["task"]
    assert (report["base"]["num_ended_by_length"], report["base"]["mean"]) == (3, 0.5)
    assert report["prompted"]["num_fewer_shots"] == 2


def test_a_kind_that_was_not_asked_says_why_at_its_gate():
    task = MeasuredSuite(suite_of(2), {"base": marks("01"), "tuned": marks("11")})
    evaluation = build_evaluation(
        [task], decoding={}, skipped={"refusal": "It cannot be asked."}, resampling=FAST
    )
    results = evaluate_gates(evaluation, {}, load_policy("standard"))
    (gate,) = [result for result in results if result.name == "refusal"]
    assert (gate.outcome, gate.required) == ("not_measured", True)
    assert gate.reason == "It cannot be asked."
