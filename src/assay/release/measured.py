"""evaluation.json as typed values for report and card; computes no statistic.

Every mean is in [0, 1], more is better; that of metric perplexity is the mean probability of a
token, and what is shown is the perplexity. What is not there is None: not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.evaluate.items import KINDS, name_shots, order_variants
from assay.runs.values import dig, mapping, number, sequence, text

ARMS = ("base", "prompted", "tuned")
ARM_LABELS = {"base": "Base", "prompted": "Prompted", "tuned": "Tuned"}
CHOSEN = "chosen on validation"
_TITLES = {"base": "base, zero-shot", "tuned": "tuned"}
_KIND_ORDER: dict[str, int] = {kind: place for place, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class Measured:
    """A mean over `n` items with its interval, None where none was computed.

    `shots` is how many examples a prompt held. `perplexity` is over all tokens of the answers, with
    its interval; `is_perplexity` says that it is what is shown, and not the mean.
    """

    mean: float
    low: float | None
    high: float | None
    n: int | None = None
    shots: int | None = None
    perplexity: float | None = None
    perplexity_low: float | None = None
    perplexity_high: float | None = None
    is_perplexity: bool = False


@dataclass(frozen=True)
class Gain:
    """A paired difference of two means over `n` items, its interval, and a p-value if there is.

    `unit` is what a hundredth of it is called.
    """

    n: int | None
    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    unit: str = "points"

    @property
    def is_clear(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low is not None and self.low > 0


@dataclass(frozen=True)
class Model:
    """One model as it was asked: a title for people, the arm it is drawn as, and its figure."""

    title: str
    arm: str
    measured: Measured


@dataclass(frozen=True)
class Suite:
    """One suite: its arms (those that were measured) and what was compared.

    `num_groups` is how many groups its `n` items are of, and `n` where none share one. `models` is
    what a person compares, by title and with `ARMS` as its kind: the base with every prompt that
    was asked, then tuned. `validation` is the same on the task's validation items.
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
    models: list[Model]
    validation: list[Model]

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


def pair_models(suite: Suite) -> list[tuple[Model, Measured | None]]:
    """Every model of a suite with its figure on the validation items, None where there is none."""
    validation = {model.title: model.measured for model in suite.validation}
    return [(model, validation.get(model.title)) for model in suite.models]


def _read_suite(name: str, value: dict[str, Any]) -> Suite:
    metric = text(value.get("metric"))
    arms = {arm: _read_measured(mapping(value.get(arm)), metric) for arm in ARMS}
    count, num_groups = number(value.get("n")), number(value.get("num_groups"))
    return Suite(
        name=name,
        kind=text(value.get("kind")) or name,
        metric=metric,
        n=None if count is None else int(count),
        num_groups=None if num_groups is None else int(num_groups),
        arms={arm: found for arm, found in arms.items() if found is not None},
        vs_base=_read_gain(dig(value, "comparisons", "tuned_vs_base"), metric),
        vs_prompted=_read_gain(dig(value, "comparisons", "tuned_vs_prompted"), metric),
        per_class=value.get("per_class"),
        models=_read_models(value, value, metric),
        validation=_read_models(mapping(value.get("validation")), value, metric),
    )


def _read_models(value: dict[str, Any], suite: dict[str, Any], metric: str) -> list[Model]:
    """The base with every prompt, then tuned, of `suite` or of its part `value`."""
    prompted = _find_prompted(suite)
    is_chosen = dig(suite, "prompted", "chosen_on") == "validation"
    models = []
    for name in order_variants(value):
        measured = _read_measured(mapping(value.get(name)), metric)
        # The prompted base is one of the others, which is marked.
        if measured is not None and (name != "prompted" or prompted == "prompted"):
            title = _title(name, measured.shots)
            mark = f" ({CHOSEN})" if is_chosen and name == prompted else ""
            arm = name if name in ARMS else "prompted"
            models.append(Model(title + mark, arm, measured))
    return models


def _find_prompted(suite: dict[str, Any]) -> str:
    """The variant that is the prompted base: base, shots_4, or (where it stands alone) prompted."""
    num_shots = number(dig(suite, "prompted", "shots"))
    if num_shots is None:
        return "prompted"
    if (name := name_shots(int(num_shots))) in suite:
        return name
    return "prompted" if num_shots else "base"


def _title(variant: str, num_shots: int | None) -> str:
    if variant in _TITLES:
        return _TITLES[variant]
    if num_shots is None:
        return "base, prompted"
    if num_shots == 0:
        return "base, evaluate.prompt"
    return f"base, {num_shots} shot{'' if num_shots == 1 else 's'}"


def _read_measured(value: dict[str, Any], metric: str) -> Measured | None:
    mean = number(value.get("mean"))
    if mean is None:
        return None
    shots, count = number(value.get("shots")), number(value.get("n"))
    perplexity = number(value.get("perplexity"))
    return Measured(
        mean,
        number(value.get("low")),
        number(value.get("high")),
        n=None if count is None else int(count),
        shots=None if shots is None else int(shots),
        perplexity=perplexity,
        perplexity_low=number(value.get("perplexity_low")),
        perplexity_high=number(value.get("perplexity_high")),
        is_perplexity=metric == "perplexity" and perplexity is not None,
    )


def _read_gain(value: Any, metric: str) -> Gain | None:
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
        "points of token probability" if metric == "perplexity" else "points",
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
