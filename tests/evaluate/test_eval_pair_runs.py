"""Two runs paired from their items: numbers by hand, and what is not paired."""

import json

from assay.evaluate.compare import Resampling
from assay.evaluate.items import Item, Score, failed, yes_no
from assay.evaluate.log import build_item_line
from assay.evaluate.pair_runs import pair_runs

FAST = Resampling(num_resamples=300)


def lines(marks, *, suite="task", asked="?", split="test", **changes):
    """Lines of items that the tuned model answered rightly (1) or wrongly (0)."""
    rows = []
    for place, mark in enumerate(marks):
        messages = [{"role": "user", "content": asked}]
        item = Item(f"q{place}", messages, "yes", metric="exact", suite=suite, **changes)
        score = {"tuned": yes_no("exact", mark == "1")}
        rows.append(build_item_line(item, {"tuned": "yes"}, score, split=split))
    return json.loads(json.dumps(rows))


def test_the_same_items_are_paired_by_hand():
    (found,) = pair_runs(lines("0001"), lines("1110"), resampling=FAST)
    assert (found.suite, found.variant, found.reason) == ("task", "tuned", "")
    comparison = found.comparison
    assert (comparison["n"], comparison["difference"]) == (4, 0.5)
    # Three better, one worse: 2 * (1 + 4) / 2^4.
    assert (comparison["n10"], comparison["n01"], comparison["p_value"]) == (3, 1, 10 / 16)
    assert comparison["test"] == "mcnemar"
    assert comparison["low"] < 0.5 < comparison["high"]


def test_order_does_not_matter_and_validation_is_left_out():
    b = [*reversed(lines("1110")), *lines("1" * 9, split="validation")]
    (found,) = pair_runs(lines("0001"), b, resampling=FAST)
    assert found == pair_runs(lines("0001"), lines("1110"), resampling=FAST)[0]


def test_groups_are_what_is_independent():
    (found,) = pair_runs(lines("00", group="g"), lines("11", group="g"), resampling=FAST)
    assert (found.comparison["num_groups"], found.comparison["low"]) == (1, None)


def test_different_items_are_not_paired_and_say_why():
    a = lines("01") + lines("01", suite="facts") + lines("01", suite="alone")
    b = lines("011") + lines("01", suite="facts", asked="!")
    found = {one.suite: one for one in pair_runs(a, b, resampling=FAST)}
    assert found.keys() == {"task", "facts"}
    assert all(one.comparison is None for one in found.values())
    assert found["task"].reason == "different items: 0 in a alone, 1 in b alone"
    assert found["facts"].reason.startswith("different items: 2 ask or expect something else")


def test_what_has_no_score_leaves_the_pairs():
    a, b = lines("0101"), lines("1111")
    b[0]["tuned"]["score"] = failed("exact", "boom").to_dict()
    b[1]["tuned"]["score"] = Score("exact", None).to_dict()
    (found,) = pair_runs(a, b, resampling=FAST)
    assert (found.comparison["n"], found.comparison["num_unscored"]) == (2, 2)
    assert found.comparison["failure"] == "boom"
