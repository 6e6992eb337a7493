"""Scores of choices: by hand, and what is no measurement."""

import math

import pytest

from assay.evaluate import Item
from assay.evaluate.scorers import ChoiceLogprob, score_choices

ITEM = Item("1", [{"role": "user", "content": "?"}], choices=("yes", "nope", "maybe"), golds=(0,))


def logprobs(*values):
    return [ChoiceLogprob(value, 1) for value in values]


def with_metric(metric, **changes):
    return Item(**{**vars(ITEM), "metric": metric, **changes})


def test_the_likeliest_choice_counts_and_its_length_in_bytes_where_asked():
    # yes: -3/3 bytes = -1; nope: -2.8/4 = -0.7.
    found = score_choices(with_metric("choice"), logprobs(-2.5, -2.8, -9))
    assert (found.value, found.correct) == (1.0, True)
    found = score_choices(with_metric("choice_norm"), logprobs(-2.5, -2.8, -9))
    assert (found.value, found.correct, found.detail["chosen"]) == (0.0, False, 1)


def test_mass_is_the_share_of_the_golds_probability():
    item = with_metric("mass", golds=(0, 2))
    values = [math.log(0.2), math.log(0.1), math.log(0.05)]
    found = score_choices(item, logprobs(*values))
    assert found.value == pytest.approx(0.25 / 0.35)
    assert found.correct is None


def test_mass_of_very_unlikely_texts_does_not_vanish():
    found = score_choices(with_metric("mass"), logprobs(-1000, -1001, -1e4))
    assert found.value == pytest.approx(1 / (1 + math.exp(-1)))


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({"choices": ("yes",)}, (-1,)),
        ({"golds": ()}, (-1, -1, -1)),
        ({"golds": (0, 1, 2)}, (-1, -1, -1)),
        ({}, (-1, -1)),
        ({}, (-1, math.nan, -1)),
    ],
)
def test_what_cannot_be_scored_says_why(changes, values):
    found = score_choices(with_metric("mass", **changes), logprobs(*values))
    assert found.value is None
    assert found.unscored_reason


def test_a_choice_without_a_token_is_no_score():
    found = score_choices(with_metric("mass"), [ChoiceLogprob(0.0, 0)] * 3)
    assert found.unscored_reason == "a choice has no token"
