"""evaluation.json as typed values for report and card; computes no statistic.

Every mean is in [0, 1], more is better. What is not there is None: not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.runs.values import dig, mapping, number, sequence, text

ARMS = ("base", "prompted", "tuned")
ARM_LABELS = {"base": "Base", "prompted": "Prompted", "tuned": "Tuned"}
_KIND_ORDER = {"task": 0, "retention": 1, "refusal": 2, "over_refusal": 3}


@dataclass(frozen=True)
class Measured:
    """A mean over items with its interval, None where none was computed.

    `shots` is how many examples a prompt held; `perplexity` is over all tokens of the answers.
    """

    mean: float
    low: float | None
    high: float | None
    shots: int | None
    perplexity: float | None


@dataclass(frozen=True)
class Gain:
    """A paired difference of two means over `n` items, its interval, and a p-value if there is."""

    n: int | None
    difference: float
    low: float | None
    high: float | None
    p_value: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low is not None and self.low > 0


@dataclass(frozen=True)
class Suite:
    """One suite: its arms (those that were measured) and what was compared.

    `num_groups` is how many groups its `n` items are of, and `n` where none share one.
    """

    name: str
    kind: str
    metric: str
    n: int | None
    num_groups: int | None
    arms: dict[str, Measured]
    vs_base: Gain | None
    vs_prompted: Gain | None
    per_class: Any

    @property
    def has_groups(self) -> bool:
        """Whether some of its items share a group."""
        return None not in (self.n, self.num_groups) and self.num_groups != self.n


def read_suites(evaluation: Mapping[str, Any]) -> list[Suite]:
    """Read every suite, the user's task first, then retention, refusal and over-refusal."""
    suites = [
        _read_suite(str(name), mapping(value))
        for name, value in mapping(evaluation.get("suites")).items()
    ]
    return sorted(suites, key=lambda suite: _KIND_ORDER.get(suite.kind, 9))


def task_suite(suites: list[Suite]) -> Suite | None:
    """The user's own task; None when it was not measured."""
    return next((suite for suite in suites if suite.kind == "task"), None)


def _read_suite(name: str, value: dict[str, Any]) -> Suite:
    arms = {arm: _read_measured(mapping(value.get(arm))) for arm in ARMS}
    count, num_groups = number(value.get("n")), number(value.get("num_groups"))
    return Suite(
        name=name,
        kind=text(value.get("kind")) or name,
        metric=text(value.get("metric")),
        n=None if count is None else int(count),
        num_groups=None if num_groups is None else int(num_groups),
        arms={arm: found for arm, found in arms.items() if found is not None},
        vs_base=_read_gain(dig(value, "comparisons", "tuned_vs_base")),
        vs_prompted=_read_gain(dig(value, "comparisons", "tuned_vs_prompted")),
        per_class=value.get("per_class"),
    )


def _read_measured(value: dict[str, Any]) -> Measured | None:
    mean = number(value.get("mean"))
    if mean is None:
        return None
    shots = number(value.get("shots"))
    return Measured(
        mean,
        number(value.get("low")),
        number(value.get("high")),
        None if shots is None else int(shots),
        number(value.get("perplexity")),
    )


def _read_gain(value: Any) -> Gain | None:
    fields = mapping(value)
    difference, count = number(fields.get("difference")), number(fields.get("n"))
    if difference is None:
        return None
    return Gain(
        None if count is None else int(count),
        difference,
        number(fields.get("low")),
        number(fields.get("high")),
        number(fields.get("p_value")),
    )


@dataclass(frozen=True)
class ClassScore:
    """One label of the task: items of it, F1 of each arm, precision and recall of the tuned."""

    label: str
    support: int | None
    f1: dict[str, float]
    precision: float | None
    recall: float | None


def read_classes(per_class: Any) -> list[ClassScore]:
    """Read the per-class table, the label with the most items first."""
    rows = [_read_class(mapping(row)) for row in sequence(per_class)]
    return sorted(rows, key=lambda row: (-(row.support or 0), row.label))


def _read_class(row: dict[str, Any]) -> ClassScore:
    scores = {arm: number(dig(row, arm, "f1")) for arm in ARMS}
    support = number(row.get("support"))
    return ClassScore(
        label=text(row.get("label")),
        support=None if support is None else int(support),
        f1={arm: score for arm, score in scores.items() if score is not None},
        precision=number(dig(row, "tuned", "precision")),
        recall=number(dig(row, "tuned", "recall")),
    )
