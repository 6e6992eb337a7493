"""What the results of a run sum up to so far; it is kept beside them, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COUNTS = {"pass": "passed", "fail": "failed", "error": "errored"}
"""By a row's status."""
_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")


def add_up(
    totals: Mapping[str, Any],
    statuses: Sequence[str],
    results: Sequence[Sequence[Mapping[str, Any]]],
    answers: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The totals with some rows more: statuses, results by criterion, and their answers."""
    counts = {name: int(totals.get(name, 0)) for name in COUNTS.values()}
    criteria = {name: dict(one) for name, one in totals.get("criteria", {}).items()}
    usage = {name: dict(one) for name, one in totals.get("usage", {}).items()}
    for status, own in zip(statuses, results, strict=True):
        counts[COUNTS[status]] += 1
        for one in own:
            empty = {"passed": 0, "failed": 0, "score_sum": 0.0, "num": 0}
            kept = criteria.setdefault(one["name"], empty)
            kept["num"] += 1
            kept["score_sum"] += one["score"]
            if status != "error":
                kept["passed" if one["passed"] else "failed"] += 1
    for answer in answers:
        if answer["usage"]["total_tokens"]:
            used = usage.setdefault(answer["model"], dict.fromkeys((*_USAGE, "num"), 0))
            used["num"] += 1
            for name in _USAGE:
                used[name] += answer["usage"][name]
    return {**counts, "criteria": criteria, "usage": usage}


def count_results(totals: Mapping[str, Any]) -> dict[str, int]:
    """Rows by how they ended; they add up to `total`."""
    counts = {name: int(totals.get(name, 0)) for name in COUNTS.values()}
    return {"total": sum(counts.values()), **counts}


def list_usage(totals: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tokens by model that was asked."""
    return [
        {
            "model_name": name,
            "invocation_count": one["num"],
            **{key: one[key] for key in _USAGE},
        }
        for name, one in totals.get("usage", {}).items()
    ]


def compute_means(totals: Mapping[str, Any]) -> dict[str, float]:
    """The mean score by criterion; what could not be graded counts as 0, as in training."""
    return {name: one["score_sum"] / one["num"] for name, one in totals.get("criteria", {}).items()}
