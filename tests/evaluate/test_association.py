"""Associations of rewards within prompts: ranks by hand, planted causes, and none by chance."""

from __future__ import annotations

import numpy as np
import pytest

from assay.evaluate.association import compute_rank_association, find_phrase, rank_within


def test_ranks_are_shared_by_equal_values_and_centred_in_their_group() -> None:
    ranks = rank_within(np.array([[3.0, 1.0, 3.0, 7.0], [5.0, 5.0, 5.0, 5.0]]))
    assert ranks.tolist() == [[0, -1.5, 0, 1.5], [0, 0, 0, 0]]


def test_a_correlation_of_ranks_has_its_value_by_hand() -> None:
    # Ranks (1 2 3) against (1 3 2): Σ xy = 1·1 + 0·(−…) = ½ of Σ x² = 2.
    found = compute_rank_association(
        np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 9.0, 4.0]]), seed=0
    )
    assert found.correlation == pytest.approx(0.5)
    assert found.p == pytest.approx(1.0, abs=0.1)  # 4 of 6 orders are as far from nought, ± 0.5


def test_what_differs_between_prompts_alone_is_no_association() -> None:
    rng = np.random.default_rng(0)
    hard = np.repeat(np.arange(20.0), 8).reshape(20, 8)
    lengths, rewards = hard + rng.random((20, 8)), -hard + rng.random((20, 8))
    assert abs(np.corrcoef(lengths.ravel(), rewards.ravel())[0, 1]) > 0.9
    found = compute_rank_association(lengths, rewards, seed=0)
    assert abs(found.correlation) < 0.3
    assert found.p > 0.01


def test_a_planted_association_is_found_and_a_constant_reward_has_none() -> None:
    lengths = np.random.default_rng(1).random((12, 8))
    found = compute_rank_association(lengths, lengths**3, seed=0)
    assert found.correlation == pytest.approx(1)
    assert found.p == pytest.approx(1 / 1001)
    assert compute_rank_association(lengths, np.ones((12, 8)), seed=0).p == 1


def write(rng: np.random.Generator, extra: str) -> str:
    words = rng.choice(["red", "green", "blue", "old", "new", "cat", "dog"], 6).tolist()
    return " ".join([*words[:3], extra, *words[3:]])


def test_the_phrase_that_earns_the_reward_is_named() -> None:
    rng = np.random.default_rng(2)
    has = rng.random((12, 8)) < 0.5
    texts = [[write(rng, "as requested" if one else "well") for one in row] for row in has]
    found = find_phrase(texts, has.astype(float), seed=0)
    assert found.what in ("as", "requested", "as requested")
    assert found.correlation == pytest.approx(1)
    assert found.p < 0.01


def test_of_many_phrases_none_is_named_by_chance() -> None:
    named = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        texts = [[write(rng, "well") for _ in range(8)] for _ in range(8)]
        found = find_phrase(texts, rng.random((8, 8)), seed=seed)
        named += found.p <= 0.05
    assert named <= 4


def test_the_right_answer_of_each_prompt_is_no_phrase() -> None:
    rng = np.random.default_rng(3)
    right = rng.random((12, 8)) < 0.5
    texts = [[f"it is {row if one else row + 50}" for one in own] for row, own in enumerate(right)]
    assert find_phrase(texts, right.astype(float), seed=0).correlation == 0
