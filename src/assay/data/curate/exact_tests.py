"""Exact tests of association, in logarithms, for many tables at once; knows no row."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
_MAX_TERMS = 200


@cache
def log_factorials(largest: int) -> Floats:
    """The natural logarithms of 0! to `largest`!, float64 of shape (largest + 1,)."""
    steps = np.log(np.arange(1, largest + 1, dtype=np.float64))
    return np.concatenate([[0.0], np.cumsum(steps)])


def compute_log_tail(both: Floats, first: Floats, second: Floats, total: int) -> Floats:
    """Log-probability that two independent features meet in at least `both` of `total` rows.

    Fisher's exact test, one-sided: the upper tail of the hypergeometric distribution.

    Args:
        both: rows that have both features, shape (tables,), whole numbers.
        first: rows that have the first, as many.
        second: rows that have the second.
    """
    factorials = log_factorials(total)

    def choose(n: Floats, k: Floats) -> Floats:
        top, part = n.astype(np.int64), k.astype(np.int64)
        return np.asarray(factorials[top] - factorials[part] - factorials[top - part])

    everything = choose(np.full_like(first, total), second)
    tail = np.full(both.shape, -np.inf)
    limit = np.minimum(first, second)
    for step in range(_MAX_TERMS):
        met = both + step
        possible = (met <= limit) & (second - met <= total - first)
        if not possible.any():
            break
        at, rest = np.minimum(met, limit), np.clip(second - met, 0, total - first)
        term = choose(first, at) + choose(total - first, rest) - everything
        new = np.where(possible, np.logaddexp(tail, term), tail)
        if step and np.all(new - tail < 1e-9):
            break
        tail = new
    return np.asarray(np.minimum(tail, 0.0))


def adjust_log_p(log_p: Floats, num_tests: int) -> Floats:
    """Benjamini and Hochberg's (1995) adjusted p-values, in logarithms, in the order given.

    Args:
        num_tests: tests in all; those not among `log_p` count as p = 1.
    """
    order = np.argsort(log_p)
    ranked = log_p[order] + np.log(num_tests) - np.log(np.arange(1, len(log_p) + 1))
    adjusted = np.minimum.accumulate(ranked[::-1])[::-1]
    result = np.empty_like(log_p)
    result[order] = np.minimum(adjusted, 0.0)
    return result
