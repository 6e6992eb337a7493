"""Two runs on the same items: their paired difference, suite by suite; it opens no file.

Runs are paired from their items.jsonl: an item counts as the same when its id, what was asked and
what counts as right are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from assay.evaluate.compare import Resampling, Statistic, compare_scores
from assay.evaluate.items import VARIANTS, Item, Score
from assay.evaluate.log import is_tested
from assay.runs.values import dig, mapping, number, text

Line = Mapping[str, Any]


@dataclass(frozen=True)
class PairedSuite:
    """One suite by one model in two runs.

    `comparison` is that of `compare_scores`, b − a; it is None where the two cannot be paired, and
    `reason` says why.
    """

    suite: str
    variant: str
    comparison: dict[str, Any] | None
    reason: str = ""


def pair_runs(a: Iterable[Line], b: Iterable[Line], *, resampling: Resampling) -> list[PairedSuite]:
    """Every suite and model that both runs measured, on what was tested and not on validation."""
    left, right = _by_suite(a), _by_suite(b)
    return [
        _pair(suite, variant, left[suite], right[suite], resampling)
        for suite in left
        if suite in right
        for variant in VARIANTS
        if _has(left[suite], variant) and _has(right[suite], variant)
    ]


def _by_suite(lines: Iterable[Line]) -> dict[str, dict[str, Line]]:
    suites: dict[str, dict[str, Line]] = {}
    for line in filter(is_tested, lines):
        suites.setdefault(str(line.get("suite", "task")), {})[str(line.get("id"))] = line
    return suites


def _has(lines: Mapping[str, Line], variant: str) -> bool:
    return any(variant in line for line in lines.values())


def _pair(
    suite: str,
    variant: str,
    a: Mapping[str, Line],
    b: Mapping[str, Line],
    resampling: Resampling,
) -> PairedSuite:
    reason = _find_obstacle(a, b, variant)
    if reason:
        return PairedSuite(suite, variant, None, reason)
    groups = {key: line.get("group") for key, line in a.items()}
    comparison = compare_scores(
        _read_scores(b, variant),
        _read_scores(a, variant),
        statistic=_choose_statistic(a.values()),
        resampling=resampling,
        groups={key: f"item:{key}" if g is None else f"group:{g}" for key, g in groups.items()},
    )
    return PairedSuite(suite, variant, comparison)


def _find_obstacle(a: Mapping[str, Line], b: Mapping[str, Line], variant: str) -> str:
    """Why the lines of a suite cannot be paired; nothing where they can."""
    only_a, only_b = len(a.keys() - b.keys()), len(b.keys() - a.keys())
    if only_a or only_b:
        return f"different items: {only_a} in a alone, {only_b} in b alone"
    if any(variant not in line for line in (*a.values(), *b.values())):
        return "some items have no answer"
    changed = sum(_read_item(a[key]) != _read_item(b[key]) for key in a)
    return (
        f"different items: {changed} ask or expect something else under one id" if changed else ""
    )


def _read_item(line: Line) -> dict[str, Any]:
    """What was asked and what counts as right."""
    return {field.name: line.get(field.name) for field in fields(Item)}


def _choose_statistic(lines: Iterable[Line]) -> Statistic:
    """As in `MeasuredSuite`: metrics of different kinds share only right or wrong."""
    return "value" if len({line.get("metric") for line in lines}) == 1 else "correct"


def _read_scores(lines: Mapping[str, Line], variant: str) -> dict[str, Score]:
    return {key: _read_score(mapping(dig(line, variant, "score"))) for key, line in lines.items()}


def _read_score(value: dict[str, Any]) -> Score:
    correct = value.get("correct")
    return Score(
        text(value.get("metric")),
        number(value.get("value")),
        correct if isinstance(correct, bool) else None,
        unscored_reason=text(value.get("unscored_reason")),
        failed=bool(value.get("failed")),
    )
