"""Scores of the same items from two models → means, paired difference, test; it judges nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from statistics import fmean
from typing import Any, Literal

from assay.errors import EvaluationError
from assay.evaluate.grouped import (
    compute_group_error,
    group_bootstrap,
    group_mean_interval,
    group_sign_flip_p,
)
from assay.evaluate.items import Score
from assay.evaluate.stats import (
    NUM_RESAMPLES,
    compute_difference_std,
    compute_differences,
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

Groups = Mapping[str, str]
"""The group of each item, by item id: items that share one are not independent."""


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
    scores: Scores, *, statistic: Statistic, resampling: Resampling, groups: Groups | None = None
) -> dict[str, Any]:
    """``{"n", "num_groups", "num_unscored", "mean", "low", "high", "interval"}``.

    `interval` names the method (see `MeanInterval`). The mean is None without scores, and its
    interval also where all are of one group.
    """
    numbers = {key: read_number(score, statistic) for key, score in scores.items()}
    scored = {key: number for key, number in numbers.items() if number is not None}
    names = _name_groups(scored, groups)
    counts = {**_count(names), "num_unscored": len(numbers) - len(scored)}
    if not scored:
        return {**counts, "mean": None, "low": None, "high": None, "interval": None}
    values = list(scored.values())
    if len(set(names)) == len(names):
        mean = mean_interval(values, **asdict(resampling))
    elif len(set(names)) > 1:
        mean = group_mean_interval(values, names, **asdict(resampling))
    else:
        return {**counts, "mean": fmean(values), "low": None, "high": None, "interval": None}
    bounds = {"mean": mean.mean, "low": mean.low, "high": mean.high, "interval": mean.method}
    return {**counts, **bounds}


def compare_scores(
    a: Scores,
    b: Scores,
    *,
    statistic: Statistic,
    resampling: Resampling,
    groups: Groups | None = None,
) -> dict[str, Any]:
    """a − b over the items that both have a score for, paired by item id.

    Gives ``n, num_groups, num_unscored, failure, difference, low, high, confidence, p_value, test,
    n01, n10, std, detectable``. `failure` is None, or says that a metric crashed. Where no items
    share a group, `num_groups` is `n` and `test` is "mcnemar" for yes/no scores, else "sign_flip";
    where some do, the interval is of resampled groups and `test` is "group_sign_flip". Only b has
    `n01` yes/no items right, only a `n10`. `std` is of the items' differences, `detectable` the
    true difference that so many items, in such groups, show with 80 % probability. Numbers are
    None without a pair, and what needs independent pairs is None where all are of one group. Raises
    EvaluationError when the two hold different items: such a difference would compare questions,
    not models.
    """
    _refuse_different_items(a, b)
    numbers = {key: (read_number(a[key], statistic), read_number(b[key], statistic)) for key in a}
    pairs = {key: (x, y) for key, (x, y) in numbers.items() if x is not None and y is not None}
    names = _name_groups(pairs, groups)
    counts = {
        **_count(names),
        "num_unscored": len(numbers) - len(pairs),
        "failure": _describe_failure([*a.values(), *b.values()]),
    }
    unknown = dict.fromkeys(
        ("difference", "low", "high", "p_value", "test", "n01", "n10", "std", "detectable")
    )
    found = {**counts, "confidence": resampling.confidence, **unknown}
    if not pairs:
        return found
    left, right = [x for x, _ in pairs.values()], [y for _, y in pairs.values()]
    found |= _describe_pairs(left, right)
    if len(set(names)) == len(names):
        return found | _judge_items(left, right, resampling)
    if len(set(names)) > 1:
        return found | _judge_groups(left, right, names, resampling)
    return found


def _describe_failure(scores: Sequence[Score]) -> str | None:
    """The first crash of a metric and how many there were; None without one."""
    reasons = [score.unscored_reason for score in scores if score.failed]
    if not reasons:
        return None
    more = f" (the first of {len(reasons)})" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}"


def _name_groups(keys: Iterable[str], groups: Groups | None) -> list[str]:
    """The group of each item id in turn; without groups the id itself."""
    return [groups[key] if groups is not None else key for key in keys]


def _count(names: Sequence[str]) -> dict[str, int]:
    return {"n": len(names), "num_groups": len(set(names))}


def _describe_pairs(left: list[float], right: list[float]) -> dict[str, Any]:
    """What holds whether or not the pairs are independent."""
    differences = compute_differences(left, right)
    counts: dict[str, Any] = {"n01": None, "n10": None}
    if _is_yes_no(left, right):
        counts = {"n01": differences.count(-1.0), "n10": differences.count(1.0)}
    std = compute_difference_std(left, right)
    return {"difference": fsum(differences) / len(differences), "std": std, **counts}


def _judge_items(left: list[float], right: list[float], resampling: Resampling) -> dict[str, Any]:
    interval = paired_bootstrap(left, right, **asdict(resampling))
    if _is_yes_no(left, right):
        p_value = mcnemar([x == 1.0 for x in left], [y == 1.0 for y in right]).p_value
        test = "mcnemar"
    else:
        p_value, test = sign_flip_p(left, right, seed=resampling.seed), "sign_flip"
    detectable = minimum_detectable_difference(
        len(left), std=compute_difference_std(left, right), confidence=resampling.confidence
    )
    return {
        "low": interval.low,
        "high": interval.high,
        "p_value": p_value,
        "test": test,
        "detectable": detectable,
    }


def _judge_groups(
    left: list[float], right: list[float], names: list[str], resampling: Resampling
) -> dict[str, Any]:
    interval = group_bootstrap(left, right, names, **asdict(resampling))
    error = compute_group_error(compute_differences(left, right), names)
    return {
        "low": interval.low,
        "high": interval.high,
        "p_value": group_sign_flip_p(left, right, names, seed=resampling.seed),
        "test": "group_sign_flip",
        "detectable": minimum_detectable_difference(1, std=error, confidence=resampling.confidence),
    }


def _is_yes_no(left: list[float], right: list[float]) -> bool:
    return all(number in (0.0, 1.0) for number in (*left, *right))


def _refuse_different_items(a: Scores, b: Scores) -> None:
    if a.keys() == b.keys():
        return
    odd = sorted(a.keys() ^ b.keys())
    shown = ", ".join(odd[:3]) + (", …" if len(odd) > 3 else "")
    raise EvaluationError(
        f"two models were scored on different items ({len(odd)} in one alone: {shown}); "
        "score both on the same items"
    )
