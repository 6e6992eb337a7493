"""Builds evaluation.json from scores; it asks no model and judges nothing.

The models compared are called "base" (the user's own prompt, zero-shot), "shots_4" (the base with
that many examples, for every number of the recipe that is not the base itself), "prompted" (which
of them was best on validation items) and "tuned".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from assay.errors import EvaluationError
from assay.evaluate.choose import MIXED
from assay.evaluate.compare import (
    Groups,
    Resampling,
    Scores,
    Statistic,
    compare_scores,
    read_number,
    summarise_scores,
)
from assay.evaluate.figures import compute_figures
from assay.evaluate.items import VARIANTS, Item, Kind, Score, order_variants, read_shots
from assay.evaluate.prompting import PromptChoice
from assay.evaluate.scorers import (
    build_class_table,
    compute_corpus_perplexity,
    compute_perplexity_bounds,
)
from assay.evaluate.suites import Suite, compute_items_sha256, is_pooled

COMPARISONS = (("tuned", "base"), ("tuned", "prompted"), ("prompted", "base"))


@dataclass(frozen=True)
class Validation:
    """The task's validation items, on which prompt and weights were chosen, with their scores."""

    items: Sequence[Item]
    scores: Mapping[str, Scores]


@dataclass(frozen=True)
class MeasuredSuite:
    """A suite with the scores of each model by item id; `prompting` only where one was chosen.

    `counts` are further numbers of a model's answers, by model and name. `validation` is of the
    task alone; nothing of it enters the suite's own figures.
    """

    suite: Suite
    scores: Mapping[str, Scores]
    prompting: PromptChoice | None = None
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    validation: Validation | None = None

    @property
    def statistic(self) -> Statistic:
        """Metrics of different kinds share only right or wrong; one metric keeps its number."""
        return "correct" if self.suite.metric == MIXED else "value"


def build_evaluation(
    measured: Sequence[MeasuredSuite],
    *,
    decoding: Mapping[str, Any],
    train: Mapping[str, Any] | None = None,
    skipped: Mapping[Kind, str] | None = None,
    resampling: Resampling | None = None,
    probes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of evaluation.json.

    ``{"decoding", "statistics", "suites", "pooled", "probes", "train"}``.

    `suites` is by name and `pooled` by kind (retention, refusal, over_refusal), over all items of
    that kind. `train` is passed through for the overfit gate; `skipped` says by kind why no suite
    of it was asked, and that takes its place in `pooled`; `probes` is by
    name what `summarise_probe` gives. Raises EvaluationError when a suite
    comes twice, models were scored on different items than asked, or the prompt was chosen on
    items that are tested.
    """
    resampling = resampling or Resampling()
    left_out = skipped or {}
    names = [each.suite.name for each in measured]
    if len(set(names)) != len(names):
        raise EvaluationError("two suites have the same name")
    pooled = {x.suite.kind for x in measured if is_pooled(x.suite, x.suite.kind)}
    kinds = sorted(pooled - {"task"})
    return {
        "decoding": dict(decoding),
        "statistics": asdict(resampling),
        "suites": {each.suite.name: build_suite_report(each, resampling) for each in measured},
        "pooled": {
            kind: _pool([each for each in measured if is_pooled(each.suite, kind)], resampling)
            for kind in kinds
        }
        | {kind: {"suites": [], "n": 0, "skipped": reason} for kind, reason in left_out.items()},
        "probes": dict(probes or {}),
        "train": dict(train or {}),
    }


def build_suite_report(measured: MeasuredSuite, resampling: Resampling) -> dict[str, Any]:
    """One suite's part of evaluation.json.

    ``{"kind", "format", "built_in", "metric", "metric_reason", "statistic", "n", "num_groups",
    "items_sha256", <model>: {"mean", …}, "comparisons": {"tuned_vs_base": …}, "per_metric": {…},
    "per_class": […], "confusions": {…}}``; the last three are empty where they do not apply.
    `num_groups` is `n` where no items share a group. A model has `figures` of all items together
    where the suite names such, or its metric has (`assay.evaluate.figures`). The task has
    ``"validation": {"n", "num_groups", "items_sha256", "statistic", <model>, "comparisons"}`` too.
    """
    suite = measured.suite
    groups = _name_groups(suite.items)
    _check(measured)
    report: dict[str, Any] = {
        "kind": suite.kind,
        "format": suite.format,
        "built_in": suite.built_in,
        **({"harness": asdict(suite.harness)} if suite.harness else {}),
        "metric": suite.metric,
        "metric_reason": suite.reason,
        "n": len(suite.items),
        "num_groups": len(set(groups.values())),
        "items_sha256": suite.sha256,
        **_summaries(measured.scores, measured.statistic, resampling, groups),
        "per_metric": _per_metric(measured, resampling),
        **_class_tables(measured.scores),
    }
    for variant, counts in measured.counts.items():
        report[variant] |= counts
    for variant, scores in measured.scores.items():
        figures = compute_figures(suite.figures, suite.metric, suite.items, scores)
        report[variant] |= {"figures": figures} if figures else {}
    if measured.prompting is not None and "prompted" in report:
        report["prompted"] |= measured.prompting.to_dict()
    if measured.validation is not None:
        report["validation"] = _summarise_validation(measured, measured.validation, resampling)
    return report


def _summarise_validation(
    measured: MeasuredSuite, validation: Validation, resampling: Resampling
) -> dict[str, Any]:
    groups = _name_groups(validation.items)
    return {
        "n": len(groups),
        "num_groups": len(set(groups.values())),
        "items_sha256": compute_items_sha256(validation.items),
        **_summaries(validation.scores, measured.statistic, resampling, groups),
    }


def _check(measured: MeasuredSuite) -> None:
    asked = [item.id for item in measured.suite.items]
    _check_scores(measured.suite.name, asked, measured.scores)
    if measured.validation is not None:
        ids = [item.id for item in measured.validation.items]
        _check_scores(f"{measured.suite.name}, validation", ids, measured.validation.scores)
    if measured.prompting is not None and (shared := measured.prompting.item_ids & set(asked)):
        raise EvaluationError(
            f"suite {measured.suite.name!r}: the prompt was chosen on {len(shared)} of its items; "
            "choose it on validation items"
        )


def _check_scores(name: str, asked: Sequence[str], scores: Mapping[str, Scores]) -> None:
    if len(set(asked)) != len(asked):
        raise EvaluationError(f"suite {name!r}: two items have the same id")
    for variant, found in scores.items():
        if found.keys() != set(asked):
            raise EvaluationError(
                f"suite {name!r}: {variant} was scored on {len(found)} items, "
                f"not on the {len(asked)} that the suite asks"
            )


def _name_groups(items: Sequence[Item], *, prefix: str = "") -> dict[str, str]:
    """The group of each item by `prefix` and id; an item without one is a group of its own.

    Groups have no prefix: one customer may have items in several suites.
    """
    ids = [f"{prefix}{item.id}" for item in items]
    return {
        key: f"item:{key}" if item.group is None else f"group:{item.group}"
        for key, item in zip(ids, items, strict=True)
    }


def _summaries(
    scores: Mapping[str, Scores], statistic: Statistic, resampling: Resampling, groups: Groups
) -> dict[str, Any]:
    summaries: dict[str, Any] = {"statistic": statistic}
    for variant in order_variants(scores):
        summary = summarise_scores(
            scores[variant], statistic=statistic, resampling=resampling, groups=groups
        )
        if (num_shots := read_shots(variant)) is not None:
            summary["shots"] = num_shots
        summaries[variant] = summary | _summarise_perplexity(scores[variant], resampling, groups)
    summaries["comparisons"] = {
        f"{a}_vs_{b}": compare_scores(
            scores[a], scores[b], statistic=statistic, resampling=resampling, groups=groups
        )
        for a, b in COMPARISONS
        if a in scores and b in scores
    }
    return summaries


def _summarise_perplexity(scores: Scores, resampling: Resampling, groups: Groups) -> dict[str, Any]:
    """``{"perplexity", "perplexity_low", "perplexity_high"}``, or nothing without such items."""
    asked = {key: score for key, score in scores.items() if score.metric == "perplexity"}
    if not asked:
        return {}
    names = [groups[key] for key in asked]
    bounds = compute_perplexity_bounds([*asked.values()], names, **asdict(resampling))
    low, high = bounds or (None, None)
    perplexity = compute_corpus_perplexity(asked.values())
    return {"perplexity": perplexity, "perplexity_low": low, "perplexity_high": high}


def _per_metric(measured: MeasuredSuite, resampling: Resampling) -> dict[str, Any]:
    if measured.suite.metric != MIXED:
        return {}
    parts: dict[str, Any] = {}
    for metric in sorted({item.metric for item in measured.suite.items}):
        groups = _name_groups([item for item in measured.suite.items if item.metric == metric])
        scores = {
            variant: {key: all_scores[key] for key in groups}
            for variant, all_scores in measured.scores.items()
        }
        counts = {"n": len(groups), "num_groups": len(set(groups.values()))}
        parts[metric] = counts | _summaries(scores, "value", resampling, groups)
    return parts


def _class_tables(scores: Mapping[str, Scores]) -> dict[str, Any]:
    """Rows ``{"label", "support", <model>: {"precision", "recall", "f1"}}`` and confusions."""
    tables = {
        variant: build_class_table(
            [score for score in scores[variant].values() if score.metric == "classification"]
        )
        for variant in VARIANTS
        if variant in scores
    }
    rows: dict[str, dict[str, Any]] = {}
    for variant, table in tables.items():
        for row in table.rows:
            entry = rows.setdefault(row.label, {"label": row.label, "support": row.support})
            entry[variant] = {"precision": row.precision, "recall": row.recall, "f1": row.f1}
    confusions = {
        variant: [asdict(c) for c in table.confusions] for variant, table in tables.items()
    }
    return {
        "per_class": [rows[label] for label in sorted(rows)],
        "confusions": confusions if rows else {},
    }


def _pool(measured: Sequence[MeasuredSuite], resampling: Resampling) -> dict[str, Any]:
    """All items of one kind as one suite of numbers; each item weighs the same."""
    variants = set.intersection(*({*each.scores} for each in measured))
    scores: dict[str, dict[str, Score]] = {variant: {} for variant in variants}
    groups: dict[str, str] = {}
    for each in measured:
        groups |= _name_groups(each.suite.items, prefix=f"{each.suite.name}/")
        for variant in variants:
            for key, score in each.scores[variant].items():
                number = read_number(score, each.statistic)
                pooled = replace(score, metric="pooled", value=number)
                scores[variant][f"{each.suite.name}/{key}"] = pooled
    counts = {"n": len(groups), "num_groups": len(set(groups.values()))}
    summaries = _summaries(scores, "value", resampling, groups)
    return {"suites": [each.suite.name for each in measured], **counts, **summaries}
