"""Exact, contains, token F1, labels and perplexity against numbers worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.evaluate.items import Item, Score
from assay.evaluate.scorers import (
    build_class_table,
    compute_corpus_perplexity,
    score_classification,
    score_contains,
    score_exact,
    score_perplexity,
    score_token_f1,
)
from assay.evaluate.scorers.text import compute_token_f1, normalise


def item(reference, **values):
    return Item("1", [{"role": "user", "content": "?"}], reference, **values)


@pytest.mark.parametrize(
    ("output", "right"),
    [
        ("Paris", True),
        ("  paris \n", True),
        ("Paris.", False),
        ("In Paris", False),
        ("", False),
        ("<think>London? no</think>\n\nParis", True),
        ("<think>Paris", False),
    ],
)
def test_exact(output, right):
    assert score_exact(output, item("Paris")).correct is right


def test_exact_collapses_whitespace_and_unicode_forms():
    assert score_exact("a  b\tc", item("a b c")).correct
    assert score_exact("cafe\u0301", item("caf\u00e9")).correct


def test_exact_can_mind_case_and_records_it():
    strict = item("Paris", options={"casefold": False})
    assert score_exact("paris", strict).correct is False
    assert score_exact("paris", strict).detail["casefold"] is False
    assert score_exact("paris", item("Paris")).detail["casefold"] is True


def test_exact_takes_any_alternative_and_a_message_as_reference():
    assert score_exact("NYC", item("New York", alternatives=("NYC",))).correct
    assert score_exact("yes", item({"role": "assistant", "content": "Yes"})).correct


def test_without_a_reference_text_nothing_is_scored():
    for scorer in (score_exact, score_contains, score_token_f1, score_classification):
        score = scorer("anything", item(None))
        assert (score.value, score.correct) == (None, None)
        assert score.unscored_reason
        assert not score.scored


@pytest.mark.parametrize(
    ("output", "reference", "right"),
    [
        ("The answer is 25.", "25", True),
        ("1,250 pieces", "25", False),
        ("25.5 degrees", "25", False),
        ("125", "25", False),
        ("about 0.25", "25", False),
        ("It costs $25, or less", "$25", True),
        ("I live in paris!", "Paris", True),
        ("comparison", "Paris", False),
        ("50% of it", "50%", True),
    ],
)
def test_contains_means_whole_words(output, reference, right):
    assert score_contains(output, item(reference)).correct is right


def test_token_f1_by_hand():
    # said {red, car, fast}, gold {red, car}; shared 2: 2*2 / (3+2) = 0.8. Articles do not count.
    assert compute_token_f1("the red car, fast", "A red car") == pytest.approx(0.8)
    # "no no" against "no": shared 1 of 2 and 1: 2/3
    assert compute_token_f1("no no", "no") == pytest.approx(2 / 3)
    assert compute_token_f1("", "word") == 0.0
    assert compute_token_f1("the", "a") == 1.0


def test_token_f1_takes_the_nearest_reference_and_marks_half_as_correct():
    score = score_token_f1("red car", item("blue boat", alternatives=("red truck",)))
    assert score.value == 0.5
    assert score.correct is True
    assert score.detail == {"correct_from": 0.5}
    assert score_token_f1("green", item("blue boat")).correct is False


@given(st.text(max_size=40), st.text(max_size=40))
def test_token_f1_is_symmetric_and_bounded(a, b):
    assert compute_token_f1(a, b) == compute_token_f1(b, a)
    assert 0.0 <= compute_token_f1(a, b) <= 1.0
    assert compute_token_f1(a, a) == 1.0


@given(st.text(max_size=60))
def test_normalise_is_idempotent_up_to_case(text):
    once = normalise(text, casefold=False)
    assert normalise(once, casefold=False) == once


def labelled(gold, said):
    return score_classification(said, item(gold))


def test_classification_forgives_case_quotes_and_a_full_stop_only():
    assert labelled("Billing", ' "billing." ').correct
    assert labelled("Billing", "the label is billing").correct is False


def test_class_table_by_hand():
    pairs = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("b", "dunno"), ("c", "a")]
    table = build_class_table([labelled(gold, said) for gold, said in pairs])
    assert (table.n, table.accuracy) == (6, 3 / 6)
    rows = {row.label: row for row in table.rows}
    assert (rows["a"].precision, rows["a"].recall, rows["a"].support) == (2 / 3, 2 / 3, 3)
    assert rows["a"].f1 == pytest.approx(2 / 3)
    assert (rows["b"].precision, rows["b"].recall, rows["b"].f1) == (1 / 2, 1 / 2, 1 / 2)
    assert (rows["c"].precision, rows["c"].recall, rows["c"].f1) == (0, 0, 0)
    assert table.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    wrong = [(c.reference, c.predicted, c.count) for c in table.confusions]
    assert wrong == [("a", "b", 1), ("b", "(other)", 1), ("c", "a", 1)]


def test_class_table_of_nothing_is_empty():
    table = build_class_table([Score("classification", None, None, {}, "no label")])
    assert (table.n, table.accuracy, table.rows) == (0, 0.0, [])


def test_perplexity_by_hand():
    # Two tokens of probability 1/2 and 1/8: geometric mean 1/4, perplexity 4.
    score = score_perplexity(math.log(1 / 16), 2)
    assert score.value == pytest.approx(0.25)
    assert score.detail["perplexity"] == pytest.approx(4.0)
    assert score.correct is None


def test_corpus_perplexity_weighs_tokens_alike():
    # Sums −ln 16 over 2 tokens and 0 over 2: exp(ln 16 / 4) = 2.
    scores = [score_perplexity(-math.log(16), 2), score_perplexity(0.0, 2)]
    assert compute_corpus_perplexity(scores) == pytest.approx(2.0)
    assert compute_corpus_perplexity([]) is None


@pytest.mark.parametrize(("total", "count"), [(-1.0, 0), (math.nan, 3), (-math.inf, 3), (2.0, 3)])
def test_perplexity_of_no_probability_is_unscored(total, count):
    assert not score_perplexity(total, count).scored
