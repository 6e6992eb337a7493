"""Our statistics against SciPy's and statsmodels', wherever those are installed."""

from __future__ import annotations

import random

import pytest

from assay.evaluate.figures import compute_correlation
from assay.evaluate.gates.per_suite import adjust_holm
from assay.evaluate.grouped import student_quantile
from assay.evaluate.stats import (
    compute_upper_bound,
    compute_wilson,
    mcnemar,
    mean_interval,
    paired_bootstrap,
    sign_flip_p,
    two_sided_z,
)

stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")


@pytest.mark.parametrize(("k", "n"), [(0, 30), (1, 300), (7, 64), (29, 30), (30, 30)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_and_the_exact_upper_bound_are_scipys(k: int, n: int, confidence: float) -> None:
    test = stats.binomtest(k, n)
    wilson = test.proportion_ci(confidence, method="wilson")
    assert compute_wilson(k, n, confidence=confidence) == pytest.approx(tuple(wilson), abs=1e-9)
    exact = stats.binomtest(k, n, alternative="less").proportion_ci(confidence, method="exact")
    assert compute_upper_bound(k, n, confidence=confidence) == pytest.approx(exact.high, abs=1e-9)


def test_wilson_is_statsmodels_too() -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    found = proportion.proportion_confint(13, 80, alpha=0.05, method="wilson")
    assert compute_wilson(13, 80) == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize(("n01", "n10"), [(0, 0), (0, 5), (3, 9), (20, 21), (40, 4)])
def test_mcnemar_is_the_exact_binomial_test(n01: int, n10: int) -> None:
    a = [False] * n01 + [True] * n10 + [True] * 7
    b = [True] * n01 + [False] * n10 + [True] * 7
    expected = stats.binomtest(n01, n01 + n10).pvalue if n01 + n10 else 1.0
    assert mcnemar(a, b).p_value == pytest.approx(expected, abs=1e-12)
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    found = tables.mcnemar([[7, n10], [n01, 0]], exact=True)
    assert mcnemar(a, b).p_value == pytest.approx(float(found.pvalue), abs=1e-9)


def test_holm_is_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    rng = random.Random(4)
    for size in (1, 2, 5, 20):
        p_values = {f"s{n}": rng.random() ** 3 for n in range(size)}
        expected = multitest.multipletests([*p_values.values()], method="holm")[1]
        adjusted = adjust_holm(p_values)
        assert [adjusted[name] for name in p_values] == pytest.approx(list(expected), abs=1e-12)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_quantiles_are_scipys(confidence: float) -> None:
    assert two_sided_z(confidence) == pytest.approx(stats.norm.ppf(0.5 + confidence / 2), abs=1e-9)
    for freedom in (9, 15, 30, 200):
        found = student_quantile(0.5 + confidence / 2, freedom)
        assert found == pytest.approx(stats.t.ppf(0.5 + confidence / 2, freedom), rel=1e-3)


def test_the_bootstrap_interval_is_scipys_percentile_interval() -> None:
    """Both resample at random: their ends agree within what 20,000 resamples leave open."""
    rng = random.Random(9)
    a = [rng.random() for _ in range(120)]
    b = [min(1.0, max(0.0, x + rng.gauss(-0.05, 0.2))) for x in a]
    ours = paired_bootstrap(a, b, num_resamples=20_000)
    differences = [x - y for x, y in zip(a, b, strict=True)]
    theirs = stats.bootstrap(
        (differences,), lambda x, axis: x.mean(axis=axis), n_resamples=20_000,
        method="percentile", random_state=1,
    ).confidence_interval  # fmt: skip
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=2e-3)
    mean = mean_interval(a, num_resamples=20_000)
    alone = stats.bootstrap(
        (a,), lambda x, axis: x.mean(axis=axis), n_resamples=20_000,
        method="percentile", random_state=1,
    ).confidence_interval  # fmt: skip
    assert (mean.low, mean.high) == pytest.approx((alone.low, alone.high), abs=2e-3)


def test_the_sign_flip_is_scipys_paired_permutation_test() -> None:
    rng = random.Random(2)
    a = [rng.random() for _ in range(40)]
    b = [x + rng.gauss(0.06, 0.2) for x in a]
    found = stats.permutation_test(
        ([x - y for x, y in zip(a, b, strict=True)],), lambda x, axis: x.mean(axis=axis),
        permutation_type="samples", vectorized=True, n_resamples=20_000, random_state=1,
    )  # fmt: skip
    assert sign_flip_p(a, b, num_flips=20_000) == pytest.approx(found.pvalue, abs=0.015)


def test_the_correlation_is_pearsons() -> None:
    rng = random.Random(6)
    a = [rng.random() for _ in range(25)]
    b = [x * x + rng.gauss(0, 0.1) for x in a]
    assert compute_correlation(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-12)
