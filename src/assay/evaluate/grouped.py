"""Paired statistics where items share groups (one wording, one customer); it knows no item.

Items of one group tend to be right or wrong together, so groups are what is independent: they are
resampled whole, and signs are flipped for whole groups. Every function takes `groups`, one key a
value, and at least two of them.

Sources: Cameron, Gelbach and Miller 2008 (the cluster bootstrap, and why few clusters need more
than that); Miller 2024, "Adding Error Bars to Evals" (clustered errors of model evaluations).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from assay.evaluate.stats import (
    DIFFERENCES,
    NUM_RESAMPLES,
    SCORES,
    Interval,
    MeanInterval,
    compute_differences,
    compute_wilson_bounds,
    split_chunks,
    widen_equal,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_FLIPS = 10_000


@dataclass(frozen=True)
class _Totals:
    """The sum of the values of each group, and how many values (or what weight) it has."""

    sums: NDArray[Any]
    sizes: NDArray[Any]

    @property
    def num_groups(self) -> int:
        return len(self.sums)

    @property
    def mean(self) -> float:
        return float(self.sums.sum() / self.sizes.sum())

    @property
    def are_equal(self) -> bool:
        """Whether every group has the same mean, so that no resample varies."""
        means = self.sums / self.sizes
        return bool(means.max() - means.min() < 1e-12)


def group_bootstrap(
    a: Sequence[float],
    b: Sequence[float],
    groups: Sequence[str],
    *,
    confidence: float = 0.95,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> Interval:
    """Expanded percentile interval of mean(a) − mean(b), whole groups resampled with replacement.

    A resample's mean is over its items, so large groups weigh more. Plain percentiles are too
    narrow for few groups; Hesterberg 2015 takes them at Φ(−√(G/(G−1))·t_{1−α/2, G−1}) instead of
    α/2, for G groups. Simulated at 95 % from 10 groups on, an end errs in 1 to 5 % (nominally
    2.5 %); where sizes differ forty-fold and groups gain wholly or not at all, the upper one in up
    to 11 %. Groups of equal means have the interval of `widen_equal`, counted in groups. Raises
    ValueError when the lengths differ, are 0, or there is one group alone.
    """
    differences = compute_differences(a, b)
    totals = _sum_groups(differences, groups)
    if totals.are_equal:
        low, high = widen_equal(totals.mean, totals.num_groups, DIFFERENCES, confidence)
    else:
        low, high = _bootstrap_bounds(totals, confidence, seed, num_resamples)
    return Interval(len(differences), math.fsum(differences) / len(differences), low, high)


def group_mean_interval(
    values: Sequence[float],
    groups: Sequence[str],
    *,
    confidence: float = 0.95,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> MeanInterval:
    """A mean with its interval: of yes/no values Wilson's, else the group bootstrap's.

    Wilson's interval takes the number of independent values that would vary as much as the groups
    do (Korn and Graubard 1998; Dean and Pagano 2015), at most n. Where all values are equal, no
    variation tells how dependent they are: then groups count. `method` is "group_wilson",
    "group_bootstrap" or "unseen" (see `widen_equal`). Raises ValueError as `group_bootstrap`.
    """
    totals = _sum_groups(values, groups)
    n, mean = len(values), math.fsum(values) / len(values)
    if not all(value in (0.0, 1.0) for value in values):
        if totals.are_equal:
            low, high = widen_equal(mean, totals.num_groups, SCORES, confidence)
            return MeanInterval(n, mean, low, high, "unseen")
        low, high = _bootstrap_bounds(totals, confidence, seed, num_resamples)
        return MeanInterval(n, mean, low, high, "group_bootstrap")
    variance = compute_group_error(values, groups) ** 2
    num_independent = float(totals.num_groups)
    if 0.0 < mean < 1.0:
        num_independent = min(n, mean * (1 - mean) / variance) if variance else n
    t = student_quantile(0.5 + confidence / 2, totals.num_groups - 1)
    low, high = compute_wilson_bounds(mean, num_independent, z=t)
    return MeanInterval(n, mean, low, high, "group_wilson")


def group_ratio_bounds(
    sums: Sequence[float],
    weights: Sequence[float],
    groups: Sequence[str],
    *,
    confidence: float = 0.95,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> tuple[float, float] | None:
    """The interval of Σ sums / Σ weights (loss per token), whole groups resampled with replacement.

    Percentiles as in `group_bootstrap`. None where there is one group alone, or all ratios are
    equal: a ratio without bounds of its own says nothing of what was not seen.
    """
    if len(set(groups)) < 2:
        return None
    totals = _Totals(_sum_groups(sums, groups).sums, _sum_groups(weights, groups).sums)
    if totals.are_equal:
        return None
    return _bootstrap_bounds(totals, confidence, seed, num_resamples)


def group_sign_flip_p(
    a: Sequence[float],
    b: Sequence[float],
    groups: Sequence[str],
    *,
    seed: int = 0,
    num_flips: int = NUM_FLIPS,
) -> float:
    """Two-sided p of a zero mean difference: the sign of each group's summed difference is flipped.

    Under the hypothesis the two models are exchangeable within every group. All patterns are
    counted when there are at most `num_flips`; else random ones, and the observed one among them
    (Phipson and Smyth 2010). Raises ValueError as `group_bootstrap`.
    """
    import numpy as np

    sums = _sum_groups(compute_differences(a, b), groups).sums
    sums = sums[sums != 0.0]
    observed, width = abs(float(sums.sum())), len(sums)
    reached = observed - 1e-9 * max(1.0, observed)
    if 1 << width <= num_flips:
        flips = (np.arange(1 << width)[:, None] >> np.arange(width)) & 1
        return float((np.abs((2.0 * flips - 1.0) @ sums) >= reached).mean())
    rng = np.random.default_rng(seed)
    num_extreme = 0
    for rows in split_chunks(num_flips, width):
        flips = rng.integers(0, 2, size=(rows, width), dtype=np.int8)
        num_extreme += int((np.abs((2.0 * flips - 1.0) @ sums) >= reached).sum())
    return (num_extreme + 1) / (num_flips + 1)


def compute_group_error(values: Sequence[float], groups: Sequence[str]) -> float:
    """Standard error of the mean: √(G/(G−1)·Σ_g (sum_g − size_g·mean)²)/n over G groups.

    The clustered error of Miller 2024 with the usual correction for few groups. Raises ValueError
    as `group_bootstrap`.
    """
    totals = _sum_groups(values, groups)
    residuals = totals.sums - totals.sizes * totals.mean
    correction = totals.num_groups / (totals.num_groups - 1)
    return math.sqrt(correction * float((residuals**2).sum())) / len(values)


def student_quantile(probability: float, num_freedom: int) -> float:
    """Quantile of Student's t (Abramowitz and Stegun 26.7.5): 2.262 for 0.975 and 9 degrees.

    Right within 0.1 % from 9 degrees of freedom on, for probabilities up to 0.9995.
    """
    z, v = NormalDist().inv_cdf(probability), num_freedom
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(z + sum(term / v**power for power, term in enumerate(terms, start=1)))


def _sum_groups(values: Sequence[float], groups: Sequence[str]) -> _Totals:
    import numpy as np

    if len(values) != len(groups):
        raise ValueError(f"{len(values)} values need as many groups, not {len(groups)}")
    names, places = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise ValueError("values of a single group have no interval; at least two are needed")
    sums = np.bincount(places, weights=np.asarray(values, dtype=np.float64))
    return _Totals(sums, np.bincount(places).astype(np.float64))


def _bootstrap_bounds(
    totals: _Totals, confidence: float, seed: int, num_resamples: int
) -> tuple[float, float]:
    import numpy as np

    num_groups = totals.num_groups
    t = student_quantile(0.5 + confidence / 2, num_groups - 1)
    tail = NormalDist().cdf(-math.sqrt(num_groups / (num_groups - 1)) * t)
    rng = np.random.default_rng(seed)
    means = []
    for rows in split_chunks(num_resamples, num_groups):
        drawn = rng.integers(0, num_groups, size=(rows, num_groups))
        means.append(totals.sums[drawn].sum(axis=1) / totals.sizes[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [tail, 1.0 - tail])
    return float(low), float(high)
