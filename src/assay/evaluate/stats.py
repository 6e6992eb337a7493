"""Paired statistics of independent pairs of numbers; it knows no item, no metric and no gate.

Pairs that share a group are the business of `assay.evaluate.grouped`.

Every sampled thing takes its seed, and the seed is an argument with a default, so a figure can be
recomputed from the per-item scores of `evaluation/items.jsonl`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, stdev
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_RESAMPLES = 5000
SCORES = (0.0, 1.0)
"""Between what every score lies."""
DIFFERENCES = (-1.0, 1.0)
"""Between what every difference of two scores lies."""
_CHUNK_ENTRIES = 2_000_000
"""Resampled entries held at once, so that memory stays near 16 MB at any n."""


@dataclass(frozen=True)
class Interval:
    """Mean of the paired differences a − b over `n` pairs, and its interval [low, high]."""

    n: int
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class MeanInterval:
    """A mean over `n` values with its interval; `method` names how that was made.

    It is "wilson" or "bootstrap", or "group_wilson" or "group_bootstrap" where values share groups;
    of values that are all equal, "unseen" (see `widen_equal`).
    """

    n: int
    mean: float
    low: float
    high: float
    method: str


@dataclass(frozen=True)
class McNemar:
    """`n01` pairs where only b is right, `n10` where only a is; exact two-sided `p_value`."""

    n01: int
    n10: int
    p_value: float


def paired_bootstrap(
    a: Sequence[float],
    b: Sequence[float],
    *,
    confidence: float = 0.95,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> Interval:
    """Percentile bootstrap interval of mean(a) − mean(b), pairs resampled with replacement.

    Efron and Tibshirani 1993, chapter 13; equal differences, which no resample can vary, have the
    interval of `widen_equal`. Swapping a and b mirrors the interval exactly, since the same seed
    draws the same pairs. Raises ValueError when the lengths differ or are 0.
    """
    differences = compute_differences(a, b)
    if min(differences) == max(differences):
        low, high = widen_equal(differences[0], len(differences), DIFFERENCES, confidence)
    else:
        low, high = _bootstrap_bounds(differences, confidence, seed, num_resamples)
    return Interval(len(differences), math.fsum(differences) / len(differences), low, high)


def mean_interval(
    values: Sequence[float],
    *,
    confidence: float = 0.95,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> MeanInterval:
    """A mean with its interval: Wilson's when every value is 0 or 1, else the bootstrap's.

    Raises ValueError when there is no value.
    """
    if not values:
        raise ValueError("a mean needs at least one value")
    mean = math.fsum(values) / len(values)
    if all(value in (0.0, 1.0) for value in values):
        low, high = compute_wilson(round(sum(values)), len(values), confidence=confidence)
        return MeanInterval(len(values), mean, low, high, "wilson")
    if min(values) == max(values):
        low, high = widen_equal(values[0], len(values), SCORES, confidence)
        return MeanInterval(len(values), mean, low, high, "unseen")
    low, high = _bootstrap_bounds(list(values), confidence, seed, num_resamples)
    return MeanInterval(len(values), mean, low, high, "bootstrap")


def compute_wilson(num_right: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927), in [0, 1]."""
    return compute_wilson_bounds(num_right / n, n, z=two_sided_z(confidence))


def compute_wilson_bounds(rate: float, n: float, *, z: float) -> tuple[float, float]:
    """Wilson's interval of a share `rate` of `n` values, at `z` standard errors."""
    scale = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def compute_upper_bound(num_events: int, n: int, *, confidence: float = 0.95) -> float:
    """The exact one-sided upper bound of a rate of which `num_events` of `n` were seen.

    The p at which so few events have probability 1 − confidence (Clopper and Pearson 1934): about
    3/n for none at 95 %. Raises ValueError unless 0 ≤ num_events ≤ n and n ≥ 1.
    """
    if not 0 <= num_events <= n or n < 1:
        raise ValueError(f"{num_events} of {n} is no count of events")
    if num_events == n:
        return 1.0
    low, high = num_events / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        is_likely = _binomial_cdf(num_events, n, middle) > 1 - confidence
        low, high = (middle, high) if is_likely else (low, middle)
    return high


def _binomial_cdf(k: int, n: int, p: float) -> float:
    """P(X ≤ k) of n trials at rate p in (0, 1), summed from its logarithms."""
    log_p, log_q = math.log(p), math.log1p(-p)
    terms = (
        math.lgamma(n + 1)
        - math.lgamma(i + 1)
        - math.lgamma(n - i + 1)
        + i * log_p
        + (n - i) * log_q
        for i in range(k + 1)
    )
    return math.fsum(math.exp(term) for term in terms)


def widen_equal(
    value: float, n: int, bounds: tuple[float, float], confidence: float
) -> tuple[float, float]:
    """The interval of a mean of which n independent values are all equal to `value`.

    Such a sample has no variation to resample, which does not say that there is none: a share of
    u = 1 − (1 − confidence)^(1/n) that is otherwise is missed by n draws with probability
    1 − confidence (u is about 3/n at 95 %: Hanley and Lippman-Hand 1983). An end of the interval is
    the mean if all of that share lay at that end of `bounds`; 80 pairs without a change give
    ±0.037. Were the true mean beyond an end, such a sample would be no more probable than that.
    """
    two_sided_z(confidence)
    unseen = 1.0 - (1.0 - confidence) ** (1.0 / n)
    low, high = bounds
    return value - unseen * (value - low), value + unseen * (high - value)


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> McNemar:
    """Exact McNemar test: are the pairs that disagree split evenly? (binomial, two-sided)

    Pairs that agree say nothing about the difference. Raises ValueError when the lengths differ.
    """
    pairs = list(zip(a, b, strict=True))
    n01 = sum(not left and right for left, right in pairs)
    n10 = sum(left and not right for left, right in pairs)
    return McNemar(n01, n10, compute_sign_p(n01, n10))


def compute_sign_p(n01: int, n10: int) -> float:
    """min(1, 2·P(X ≤ min)) for X ~ Binomial(n01 + n10, 1/2), in exact integers.

    1 when both counts are 0.
    """
    total = n01 + n10
    term, tail = 1, 1
    for k in range(min(n01, n10)):
        term = term * (total - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << total))


def sign_flip_p(
    a: Sequence[float], b: Sequence[float], *, seed: int = 0, num_flips: int = 10_000
) -> float:
    """Two-sided p of a zero mean difference for scores that are no yes/no (paired permutation).

    The sign of every difference is flipped at random; the observed one counts among the flips, so
    p is never 0 (Phipson and Smyth 2010). Raises ValueError when the lengths differ or are 0.
    """
    import numpy as np

    differences = np.asarray(compute_differences(a, b))
    observed = abs(float(differences.sum()))
    rng = np.random.default_rng(seed)
    tolerance = 1e-9 * max(1.0, observed)
    num_extreme = 0
    for rows in split_chunks(num_flips, len(differences)):
        signs = rng.integers(0, 2, size=(rows, len(differences)), dtype=np.int8)
        sums = np.abs((2.0 * signs - 1.0) @ differences)
        num_extreme += int((sums >= observed - tolerance).sum())
    return (num_extreme + 1) / (num_flips + 1)


def minimum_detectable_difference(
    n: int, *, std: float, confidence: float = 0.95, power: float = 0.8
) -> float:
    """The true mean difference that n pairs would show with probability `power`.

    (z_{1−α/2} + z_power)·std/√n, with `std` of the paired differences; for yes/no scores that is
    about the square root of the share of pairs that disagree.
    """
    return (two_sided_z(confidence) + NormalDist().inv_cdf(power)) * std / math.sqrt(n)


def items_needed(
    difference: float, *, std: float, confidence: float = 0.95, power: float = 0.8
) -> int:
    """The pairs that would show a true mean `difference` (not 0) with probability `power`."""
    z = two_sided_z(confidence) + NormalDist().inv_cdf(power)
    return max(1, math.ceil((z * std / difference) ** 2))


def two_sided_z(confidence: float) -> float:
    """The normal quantile of a two-sided interval: 1.96 for 0.95."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def compute_difference_std(a: Sequence[float], b: Sequence[float]) -> float:
    """Sample standard deviation of the paired differences; 0 for a single pair."""
    differences = compute_differences(a, b)
    return stdev(differences) if len(differences) > 1 else 0.0


def compute_differences(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """The paired differences a − b; raises ValueError when the lengths differ or are 0."""
    if len(a) != len(b) or not a:
        raise ValueError(f"pairs need equal, non-zero lengths, not {len(a)} and {len(b)}")
    return [float(left) - float(right) for left, right in zip(a, b, strict=True)]


def _bootstrap_bounds(
    values: list[float], confidence: float, seed: int, num_resamples: int
) -> tuple[float, float]:
    import numpy as np

    two_sided_z(confidence)
    array: NDArray[Any] = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = np.concatenate(
        [
            array[rng.integers(0, len(array), size=(rows, len(array)))].mean(axis=1)
            for rows in split_chunks(num_resamples, len(array))
        ]
    )
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


def split_chunks(total: int, width: int) -> list[int]:
    """`total` rows of `width` entries as numbers of rows that are held at once."""
    rows = max(1, _CHUNK_ENTRIES // max(1, width))
    return [min(rows, total - start) for start in range(0, total, rows)]
