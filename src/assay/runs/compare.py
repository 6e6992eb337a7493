"""Two runs side by side as plain data; judges nothing and prints nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.runs.find import RunSummary, read_or_empty, read_recipe, summarize
from assay.runs.folder import RunFolder
from assay.runs.values import dig, flatten, mapping, sequence

ARMS = ("base", "prompted", "tuned")


@dataclass(frozen=True)
class Difference:
    """One key and its value in each run; None where a run does not have it."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Comparison:
    """Two runs: recipe keys that differ, last metrics, scores and gate outcomes of both.

    `recipe` holds only keys whose values differ. `metrics` has the last value of each metric,
    `evaluation` ``<suite>/<arm>`` means (perplexities where that is the metric), `gates` outcomes.
    `same_items` says whether both were measured on the same task items (ids), without which their
    scores do not compare; None when either run kept no items.
    """

    a: RunSummary
    b: RunSummary
    recipe: list[Difference]
    metrics: list[Difference]
    evaluation: list[Difference]
    gates: list[Difference]
    same_items: bool | None


def compare_runs(a: RunFolder, b: RunFolder) -> Comparison:
    """Lay run `a` beside run `b`.

    Raises:
        CheckpointError: metrics.jsonl of one is damaged.
    """
    recipes = _pair(_recipe(a), _recipe(b))
    return Comparison(
        a=summarize(a),
        b=summarize(b),
        recipe=[row for row in recipes if row.a != row.b],
        metrics=_pair(_last_metrics(a), _last_metrics(b)),
        evaluation=_pair(_means(a), _means(b)),
        gates=_pair(_outcomes(a), _outcomes(b)),
        same_items=_same_items(a, b),
    )


def _pair(a: dict[str, Any], b: dict[str, Any]) -> list[Difference]:
    keys = dict.fromkeys([*a, *b])
    return [Difference(key, a.get(key), b.get(key)) for key in keys]


def _recipe(run: RunFolder) -> dict[str, Any]:
    return dict(flatten(read_recipe(run.recipe)))


def _last_metrics(run: RunFolder) -> dict[str, Any]:
    last: dict[str, Any] = {}
    for row in run.read_metrics():
        last.update({key: value for key, value in row.items() if value is not None})
    return last


def _means(run: RunFolder) -> dict[str, Any]:
    suites = mapping(read_or_empty(run.evaluation).get("suites"))
    return {
        f"{suite}/{arm}": _mean(values, arm)
        for suite, values in suites.items()
        for arm in ARMS
        if dig(values, arm, "mean") is not None
    }


def _mean(suite: Any, arm: str) -> Any:
    """The perplexity where that is the suite's metric."""
    perplexity = dig(suite, arm, "perplexity")
    of_perplexity = dig(suite, "metric") == "perplexity" and perplexity is not None
    return perplexity if of_perplexity else dig(suite, arm, "mean")


def _outcomes(run: RunFolder) -> dict[str, Any]:
    gates = map(mapping, sequence(read_or_empty(run.verdict).get("gates")))
    return {str(gate.get("name")): gate.get("outcome") for gate in gates}


def _same_items(a: RunFolder, b: RunFolder) -> bool | None:
    ids = [run.read_items() for run in (a, b)]
    names = [
        sorted(
            str(row.get("id"))
            for row in rows
            if row.get("suite") == "task" and row.get("split") != "validation"
        )
        for rows in ids
    ]
    return names[0] == names[1] if names[0] and names[1] else None
