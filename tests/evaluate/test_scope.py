"""Scope: the level holds whatever the score is, and measures are those of their papers."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay.errors import ReleaseError
from assay.evaluate.scope import (
    Part,
    Pools,
    Prompts,
    Scope,
    compute_p_value,
    compute_threshold,
    count_needed,
    fit_scope,
    load_scope,
    save_scope,
)
from assay.evaluate.scope.fit import compute_share_outside, fit_measures
from assay.evaluate.scope.measures import (
    Cosine,
    Nearest,
    Relative,
    compute_shrinkage,
    fit_cosine,
    fit_mahalanobis,
)
from assay.evaluate.scope.scope import RATIO, build_features, choose_layers

SCORES = arrays(np.float64, st.integers(1, 60), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]))
LEVELS = st.integers(1, 99).map(lambda percent: percent / 100)


@pytest.mark.parametrize(
    ("num", "level", "place"),
    [(19, 0.05, 19), (20, 0.05, 20), (39, 0.05, 38), (99, 0.05, 95), (9, 0.1, 9), (9, 0.3, 7)],
)
def test_thresholds_are_the_ranks_worked_out_by_hand(num: int, level: float, place: int) -> None:
    # ceil((n + 1)(1 - level)): 20 * 0.95 = 19, 21 * 0.95 = 19.95 → 20, 10 * 0.7 = 7 …
    scores = np.random.default_rng(0).permutation(num) + 1.0
    assert compute_threshold(scores, level) == place


def test_too_few_prompts_put_nothing_outside() -> None:
    assert compute_threshold(np.arange(18.0), 0.05) == math.inf
    assert [count_needed(level) for level in (0.05, 0.1, 0.01, 0.5)] == [19, 9, 99, 1]


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        compute_threshold(np.arange(5.0), level)


@given(SCORES, st.sampled_from([-1.0, 0.0, 0.5, 0.7, 1.0, 3.0, 4.0]), LEVELS)
def test_p_values_and_thresholds_decide_alike(
    calibration: np.ndarray, score: float, level: float
) -> None:
    num_beyond = 1 + int(np.count_nonzero(calibration >= score))
    # In whole numbers: the level is of hundredths.
    is_small = Fraction(num_beyond, len(calibration) + 1) <= Fraction(round(level * 100), 100)
    assert (score > compute_threshold(calibration, level)) == is_small
    assert compute_p_value(calibration, score) == num_beyond / (len(calibration) + 1)


@given(arrays(np.float64, st.integers(2, 40), elements=st.integers(0, 6).map(float)), LEVELS)
def test_among_exchangeable_scores_at_most_the_level_is_outside_of_the_others(
    scores: np.ndarray, level: float
) -> None:
    # The theorem itself, exactly: each score in turn is the new one, ties and all.
    outside = [
        scores[place] > compute_threshold(np.delete(scores, place), level)
        for place in range(len(scores))
    ]
    assert sum(outside) <= level * len(scores) + 1e-9


@pytest.mark.parametrize(("num", "level"), [(30, 0.05), (100, 0.05), (100, 0.2)])
def test_the_level_is_kept_and_nearly_reached_in_simulation(num: int, level: float) -> None:
    rng = np.random.default_rng(num)
    scores = rng.lognormal(size=(4000, num + 1))
    outside = [row[-1] > compute_threshold(row[:-1], level) for row in scores]
    # Without ties the probability is 1 - ceil((n + 1)(1 - level)) / (n + 1), by the same theorem.
    expected = 1 - math.ceil((num + 1) * (1 - level) - 1e-9) / (num + 1)
    assert np.mean(outside) == pytest.approx(expected, abs=4 * math.sqrt(level / 4000))


def test_shrinkage_is_that_of_the_paper() -> None:
    # S = diag(3, 1), n = 10, p = 2: tr S = 4, tr S² = 10, and (1 - 2/p) = 0, so
    # 16 / ((11 - 1)(10 - 8)) = 0.8.
    assert compute_shrinkage(4.0, 10.0, num=10, size=2) == pytest.approx(0.8)
    assert compute_shrinkage(4.0, 8.0, num=10, size=2) == 1.0


def test_mahalanobis_is_the_quadratic_form_of_the_shrunk_covariance() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(60, 12)) * np.linspace(0.2, 2, 12)
    fitted = fit_mahalanobis(features)
    covariance = np.cov(features.T, bias=True)
    trace, square = np.trace(covariance), np.trace(covariance @ covariance)
    weight = compute_shrinkage(trace, square, num=60, size=12)
    shrunk = (1 - weight) * covariance + weight * trace / 12 * np.eye(12)
    away = rng.normal(size=(5, 12)) * 3 - features.mean(0)
    expected = np.sqrt(np.einsum("nd,de,ne->n", away, np.linalg.inv(shrunk), away) / 12)
    assert fitted.score(away + features.mean(0)) == pytest.approx(expected, rel=1e-4)


def test_mahalanobis_keeps_the_trace_where_there_are_fewer_prompts_than_features() -> None:
    features = np.random.default_rng(2).normal(size=(20, 200))
    fitted = fit_mahalanobis(features)
    rest = float(fitted.rest[0]) * (200 - len(fitted.variances_R))
    total = features.var(0).sum()
    assert float(fitted.variances_R.sum()) + rest == pytest.approx(total, rel=1e-4)
    assert fitted.score(features).mean() < fitted.score(features + 5).mean()


def test_equal_prompts_leave_a_measure_that_still_tells_others() -> None:
    fitted = fit_mahalanobis(np.ones((20, 4)))
    inside, outside = fitted.score(np.array([np.ones(4), np.zeros(4)]))
    assert inside < 1e-3 < outside


def test_relative_distance_is_the_difference_of_squares() -> None:
    rng = np.random.default_rng(3)
    own, background = (
        fit_mahalanobis(rng.normal(size=(50, 6))),
        fit_mahalanobis(rng.normal(size=(50, 6)) * 3),
    )
    x = rng.normal(size=(4, 6))
    expected = own.score(x) ** 2 - background.score(x) ** 2
    assert Relative(own, background).score(x) == pytest.approx(expected)


def test_cosine_and_nearest_by_hand() -> None:
    centres = Cosine(np.array([[1.0, 0.0], [0.0, 1.0]]))
    x = np.array([[2.0, 0.0], [3.0, 4.0], [-1.0, -1.0]])
    assert centres.score(x) == pytest.approx([0, 0.2, 1 + math.sqrt(0.5)])
    few = Nearest(np.array([[1.0, 0.0], [0.0, 1.0]]))  # fewer than k: the farthest of them
    assert few.score(np.array([[1.0, 0.0]])) == pytest.approx([math.sqrt(2)])
    ring = Nearest(np.array([[math.cos(a), math.sin(a)] for a in (0, 0.1, 0.2, 0.3, 0.4, 3)]))
    fifth = math.sqrt(2 - 2 * math.cos(0.4))
    assert ring.score(np.array([[1.0, 0.0]])) == pytest.approx([fifth])


def test_centres_find_the_groups_that_there_are() -> None:
    rng = np.random.default_rng(4)
    groups = np.eye(3)[rng.integers(0, 3, 75)] + rng.normal(size=(75, 3)) * 0.01
    assert fit_cosine(groups).score(np.eye(3)).max() < 0.01


def make_prompts(num: int, *, shift: float = 0.0, seed: int = 0, ratio: float = 0.0) -> Prompts:
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(num, 2, 8)) + np.array([3.0] + [0.0] * 7)
    states[..., 1] += shift
    return Prompts(states, rng.normal(size=num) + ratio)


def make_pools(*, shift: float = 4.0, ratio: float = 0.0) -> Pools:
    return Pools(
        make_prompts(80, seed=1),
        make_prompts(60, shift=shift / 2, seed=2),
        make_prompts(60, seed=3),
        make_prompts(60, shift=shift, seed=4, ratio=ratio),
    )


def fit(pools: Pools) -> Scope:
    scope = fit_scope(pools, layers=(0, 2))
    assert isinstance(scope, Scope)
    return scope


def test_a_scope_keeps_its_own_prompts_and_lets_others_leave() -> None:
    held_out = make_prompts(99, seed=5)
    scope = fit(make_pools()).calibrate(held_out.states_NBD, held_out.ratios_N)
    assert not scope.find_obstacle()
    fresh, foreign = make_prompts(2000, seed=6), make_prompts(200, shift=4.0, seed=7)
    own = scope.score(fresh.states_NBD, fresh.ratios_N) > compute_threshold(scope.calibration, 0.05)
    others = [scope.is_outside(s) for s in scope.score(foreign.states_NBD, foreign.ratios_N)]
    assert np.mean(own) < 0.12
    assert np.mean(others) > 0.9


def test_the_likelihood_ratio_is_taken_where_only_it_tells() -> None:
    scope = fit(make_pools(shift=0.0, ratio=6.0))
    assert [part.name for part in scope.parts] == [RATIO]
    assert scope.needs_ratio
    with pytest.raises(ValueError, match="ratio"):
        scope.score(make_prompts(2).states_NBD)


def test_fewer_parts_are_taken_where_more_tell_no_more() -> None:
    scope = fit(make_pools(shift=30.0))
    told = scope.origin["share_of_foreign_outside"]
    assert len(scope.parts) == 1
    assert told[scope.parts[0].name] == 1.0


def test_what_calibrates_changes_nothing_but_the_calibration() -> None:
    scope = fit(make_pools())
    one, other = (make_prompts(30, seed=seed) for seed in (8, 9))
    a, b = (scope.calibrate(p.states_NBD, p.ratios_N) for p in (one, other))
    assert not np.array_equal(a.calibration, b.calibration)
    assert replace(a, calibration=scope.calibration) == replace(b, calibration=scope.calibration)


def test_without_prompts_to_choose_by_the_first_measure_serves_and_too_few_give_none() -> None:
    pools = make_pools()
    scope = fit(replace(pools, choosing=make_prompts(3)))
    assert [part.name for part in scope.parts] == ["relative_mahalanobis"]
    bare = fit(replace(pools, choosing=make_prompts(3), background=make_prompts(2)))
    assert [part.name for part in bare.parts] == ["mahalanobis"]
    assert "16" in str(fit_scope(replace(pools, training=make_prompts(15)), layers=(0, 2)))
    assert "held-out" in scope.calibrate(make_prompts(10).states_NBD).find_obstacle()


def test_share_outside_is_the_mean_over_levels() -> None:
    inside = np.arange(1.0, 102.0)  # quantiles at 1 … 10 % are 100, 99, … 91
    assert compute_share_outside(inside, np.array([95.5, 0.0])) == pytest.approx(0.25)


@pytest.mark.parametrize("name", ["relative_mahalanobis", "mahalanobis", "nearest", "cosine"])
def test_a_scope_loads_back_with_equal_scores(tmp_path: Path, name: str) -> None:
    pools, fresh = make_pools(), make_prompts(20, seed=10)
    measures = {name: fit_measures(pools)[name]}
    scope = Scope((0, 2), measures, (Part(name, 0.5, 2.0), Part(RATIO, 0, 1)), np.zeros(0), 0.1)
    scope = scope.calibrate(fresh.states_NBD, fresh.ratios_N)
    file, tensors = tmp_path / "scope.json", tmp_path / "scope.safetensors"
    save_scope(scope, file, tensors)
    loaded = load_scope(file, tensors)
    assert loaded is not None
    assert (loaded.layers, loaded.parts, loaded.level) == (scope.layers, scope.parts, 0.1)
    assert np.array_equal(loaded.calibration, scope.calibration)
    assert np.array_equal(
        loaded.score(fresh.states_NBD, fresh.ratios_N),
        scope.score(fresh.states_NBD, fresh.ratios_N),
    )


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    file, tensors = tmp_path / "scope.json", tmp_path / "scope.safetensors"
    assert load_scope(file, tensors) is None
    save_scope(fit(make_pools()), file, tensors)
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"x")
    with pytest.raises(ReleaseError, match="not the file"):
        load_scope(file, tensors)
    file.write_text("[]", "utf-8")
    with pytest.raises(ReleaseError, match="cannot be read"):
        load_scope(file, tensors)


def test_layers_and_features() -> None:
    assert choose_layers(6) == (0, 2, 4)
    assert choose_layers(1) == (0, 1)
    states = np.array([[[3.0, 4.0], [0.0, 0.0]]])
    assert build_features(states).tolist() == [[pytest.approx(0.6), pytest.approx(0.8), 0, 0]]
