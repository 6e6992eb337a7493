"""Exact bounds of a share from counts (Clopper and Pearson, Biometrika 26, 1934)."""

from __future__ import annotations

from math import exp, lgamma, log, log1p


def find_lower(found: int, trials: int, *, level: float = 0.975) -> float:
    """The share that `found` of `trials` or more would exceed by chance in one case of forty.

    Together with `find_upper` it spans the 95 % interval; 0 where there is no trial.
    """
    return 1 - find_upper(trials - found, trials, level=level) if trials else 0.0


def find_upper(found: int, trials: int, *, level: float = 0.975) -> float:
    """The largest share at which so few as `found` of `trials` are not too few; 1 without one."""
    if found >= trials:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if _sum_to(found, trials, middle) > 1 - level:
            low = middle
        else:
            high = middle
    return high


def _sum_to(found: int, trials: int, share: float) -> float:
    """The chance of `found` or fewer; summed from the smaller side."""
    if 2 * found > trials:
        return 1 - _sum_to(trials - found - 1, trials, 1 - share)
    return sum(
        exp(
            lgamma(trials + 1)
            - lgamma(k + 1)
            - lgamma(trials - k + 1)
            + k * log(share)
            + (trials - k) * log1p(-share)
        )
        for k in range(found + 1)
    )
