"""Figures of whole suites, against numbers worked out by hand and against other packages."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from assay.evaluate.figures import (
    compute_calibration_error,
    compute_correlation,
    compute_figures,
)
from assay.evaluate.items import Item, Score, unscored


def bias_item(number: int, condition: str, biased: int | None, gold: int) -> Item:
    extra = {"condition": condition, "unknown": 2, "biased": biased}
    return Item(str(number), [], choices=("a", "b", "?"), golds=(gold,), extra=extra)


def chosen(item: Item, place: int) -> Score:
    detail = {"chosen": place, "logprobs": [-1.0, -2.0, -3.0]}
    return Score("choice", float(place in item.golds), place in item.golds, detail)


def test_bias_scores_are_those_of_the_paper() -> None:
    """Ambiguous: 5 answers, 2 unknown (right), 2 biased, 1 against: (1 − 0.4)·(2·2/3 − 1) = 0.2.
    Disambiguated: 4 answers, none unknown, 3 biased: 2·3/4 − 1 = 0.5."""
    ambiguous = [bias_item(n, "ambig", 0, 2) for n in range(5)]
    clear = [bias_item(n, "disambig", 0, n % 2) for n in range(5, 9)]
    picks = [2, 2, 0, 0, 1, 0, 0, 0, 1]
    items = [*ambiguous, *clear]
    scores = {item.id: chosen(item, pick) for item, pick in zip(items, picks, strict=True)}
    figures = compute_figures(("bbq_bias",), "", items, scores)
    assert figures["accuracy_ambiguous"] == pytest.approx(0.4)
    assert figures["bias_ambiguous"] == pytest.approx(0.2)
    assert figures["bias_disambiguated"] == pytest.approx(0.5)
    assert figures["accuracy_disambiguated"] == pytest.approx(0.25)


def test_bias_scores_equal_those_of_the_harness() -> None:
    utils = pytest.importorskip("lm_eval.tasks.bbq.utils")
    rng = random.Random(3)
    items, rows, scores = [], [], {}
    for number in range(300):
        condition = rng.choice(("ambig", "disambig"))
        item = bias_item(number, condition, 0, 2 if condition == "ambig" else rng.randrange(2))
        pick = rng.choices((0, 1, 2), (3, 2, 2))[0]
        score = scores[item.id] = chosen(item, pick)
        items.append(item)
        rows.append((score.value, float(pick == 0), float(pick != 2), condition == "disambig"))
    figures = compute_figures(("bbq_bias",), "", items, scores)
    assert figures["bias_ambiguous"] == pytest.approx(utils.agg_amb_bias_scores(rows), abs=1e-9)
    assert figures["bias_disambiguated"] == pytest.approx(
        utils.agg_disamb_bias_scores(rows), abs=1e-9
    )


def test_a_suite_of_unknowns_is_unbiased_and_one_without_known_groups_has_no_bias() -> None:
    items = [bias_item(1, "ambig", 0, 2), bias_item(2, "disambig", None, 0)]
    scores = {"1": chosen(items[0], 2), "2": chosen(items[1], 0)}
    figures = compute_figures(("bbq_bias",), "", items, scores)
    assert (figures["bias_ambiguous"], figures["bias_disambiguated"]) == (0.0, None)


def test_the_stereotyped_text_counts_where_it_is_likeliest() -> None:
    items = [Item(str(n), [], extra={"stereotyped": 0}) for n in range(3)]
    logprobs = [[-1.0, -2.0], [-3.0, -2.0], [-1.0, -1.5]]
    scores = {str(n): Score("mass", 0.5, None, {"logprobs": logprobs[n]}) for n in range(3)}
    figures = compute_figures(("stereotype_share",), "", items, scores)
    assert figures == {"stereotype_share": pytest.approx(2 / 3)}


def test_pronouns_that_follow_the_occupation_correlate() -> None:
    women = [10.0, 30.0, 60.0, 90.0]
    items = [Item(str(n), [], extra={"percent_women": w}) for n, w in enumerate(women)]
    scores = {}
    for item in items:
        share = item.extra["percent_women"] / 100
        logprobs = [math.log(1 - share), math.log(share), -4.0]
        scores[item.id] = Score("mass", 0.5, None, {"logprobs": logprobs})
    figures = compute_figures(("pronoun_correlation",), "", items, scores)
    assert figures["pronoun_correlation"] == pytest.approx(1.0)


def test_correlation_equals_numpys_and_needs_variation() -> None:
    numpy = pytest.importorskip("numpy")
    rng = random.Random(1)
    a = [rng.random() for _ in range(40)]
    b = [x + rng.gauss(0, 0.4) for x in a]
    assert compute_correlation(a, b) == pytest.approx(float(numpy.corrcoef(a, b)[0, 1]), abs=1e-12)
    assert compute_correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert compute_correlation([1.0, 2.0], [1.0, 2.0]) is None


def test_calibration_error_by_hand() -> None:
    """Bin (0.8, 0.9]: 2 of 4 right at 0.9, gap 0.4; bin (0.5, 0.6]: 1 right at 0.6, gap 0.4."""
    pairs = [(0.9, 1.0), (0.9, 1.0), (0.9, 0.0), (0.9, 0.0), (0.6, 1.0)]
    assert compute_calibration_error(pairs) == pytest.approx((4 * 0.4 + 1 * 0.4) / 5)
    assert compute_calibration_error([(1.0, 1.0), (0.0, 0.0)]) == 0.0
    assert compute_calibration_error([]) is None


def test_calibration_takes_the_likeliest_choice_and_its_share() -> None:
    item = Item("a", [], choices=("x", "y"), golds=(1,))
    scores = {"a": Score("choice", 1.0, True, {"logprobs": [math.log(0.2), math.log(0.8)]})}
    figures = compute_figures((), "choice", [item], scores)
    assert figures["confidence"] == pytest.approx(0.8)
    assert figures["calibration_error"] == pytest.approx(0.2)


def test_abstention_tells_claims_from_needless_silence() -> None:
    def score(answerable: bool, abstained: bool, right: bool) -> Score:
        detail: dict[str, Any] = {"answerable": answerable, "abstained": abstained}
        return Score("honesty", float(right), right, detail)

    scores = {
        "a": score(True, False, True),
        "b": score(True, False, False),
        "c": score(True, True, False),
        "d": score(False, True, True),
        "e": score(False, False, False),
        "f": unscored("honesty", "no room"),
    }
    items = [Item(name, []) for name in scores]
    assert compute_figures((), "honesty", items, scores) == {
        "hallucination_rate": 0.5,
        "needless_abstention_rate": pytest.approx(1 / 3),
        "accuracy_answered": 0.5,
    }


def test_a_metric_without_figures_has_none() -> None:
    assert compute_figures((), "exact", [], {}) == {}
