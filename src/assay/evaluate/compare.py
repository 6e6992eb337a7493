"""Scores of the same items from two models → means, paired difference, test; it judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from assay.errors import EvaluationError
from assay.evaluate.items import Score
from assay.evaluate.stats import (
    NUM_RESAMPLES,
    compute_difference_std,
    mcnemar,
    mean_interval,
    minimum_detectable_difference,
    paired_bootstrap,
    sign_flip_p,
)

Statistic = Literal["value", "correct"]
"""What of a score is averaged: its number, or (where metrics are mixed) whether it is correct."""

Scores = Mapping[str, Score]
"""Scores by item id."""


@dataclass(frozen=True)
class Resampling:
    """How intervals are made: `confidence` in (0, 1), the bootstrap's `seed` and resamples."""

    confidence: float = 0.95
    seed: int = 0
    num_resamples: int = NUM_RESAMPLES


def read_number(score: Score, statistic: Statistic) -> float | None:
    """The number of a score that is averaged; None where it was not scored."""
    if statistic == "value":
        return score.value
    return None if score.correct is None else float(score.correct)


def summarise_scores(
    scores: Scores, *, statistic: Statistic, resampling: Resampling
) -> dict[str, Any]:
    """``{"n", "num_unscored", "mean", "low", "high", "interval"}``; means are None without scores.

    `interval` names the method ("wilson" or "bootstrap").
    """
    numbers = [read_number(score, statistic) for score in scores.values()]
    scored = [number for number in numbers if number is not None]
    counts = {"n": len(scored), "num_unscored": len(numbers) - len(scored)}
    if not scored:
        return {**counts, "mean": None, "low": None, "high": None, "interval": None}
    mean = mean_interval(scored, **asdict(resampling))
    bounds = {"mean": mean.mean, "low": mean.low, "high": mean.high, "interval": mean.method}
    return {**counts, **bounds}


def compare_scores(
    a: Scores, b: Scores, *, statistic: Statistic, resampling: Resampling
) -> dict[str, Any]:
    """a − b over the items that both have a score for, paired by item id.

    Gives ``n, num_unscored, difference, low, high, confidence, p_value, test, n01, n10, std,
    detectable``: `test` is "mcnemar" for yes/no scores (`n01` items only b has right, `n10` only
    a), else "sign_flip"; `std` is of the differences, `detectable` the true difference that so
    many items show with 80 % probability. Numbers are None without a pair. Raises EvaluationError
    when the two hold different items: such a difference would compare questions, not models.
    """
    _refuse_different_items(a, b)
    pairs = [(read_number(a[key], statistic), read_number(b[key], statistic)) for key in a]
    left = [x for x, y in pairs if x is not None and y is not None]
    right = [y for x, y in pairs if x is not None and y is not None]
    counts = {"n": len(left), "num_unscored": len(pairs) - len(left)}
    if not left:
        names = ("difference", "low", "high", "p_value", "test", "std", "detectable")
        return {**counts, "confidence": resampling.confidence, **dict.fromkeys(names)}
    interval = paired_bootstrap(left, right, **asdict(resampling))
    std = compute_difference_std(left, right)
    return {
        **counts,
        "difference": interval.difference,
        "low": interval.low,
        "high": interval.high,
        "confidence": resampling.confidence,
        **_test(left, right, seed=resampling.seed),
        "std": std,
        "detectable": minimum_detectable_difference(
            len(left), std=std, confidence=resampling.confidence
        ),
    }


def _test(left: list[float], right: list[float], *, seed: int) -> dict[str, Any]:
    if all(number in (0.0, 1.0) for number in (*left, *right)):
        found = mcnemar([x == 1.0 for x in left], [y == 1.0 for y in right])
        return {"p_value": found.p_value, "test": "mcnemar", "n01": found.n01, "n10": found.n10}
    p_value = sign_flip_p(left, right, seed=seed)
    return {"p_value": p_value, "test": "sign_flip", "n01": None, "n10": None}


def _refuse_different_items(a: Scores, b: Scores) -> None:
    if a.keys() == b.keys():
        return
    odd = sorted(a.keys() ^ b.keys())
    shown = ", ".join(odd[:3]) + (", …" if len(odd) > 3 else "")
    raise EvaluationError(
        f"two models were scored on different items ({len(odd)} in one alone: {shown}); "
        "score both on the same items"
    )
