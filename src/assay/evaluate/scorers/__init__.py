"""Scorers by name: (output text, item) → Score; the only place that lists the metrics.

Perplexity and choices are scored from log-probabilities (`score_perplexity`, `score_choices`), so
their metrics have names here and no text scorer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from assay.errors import ConfigError, EvaluationError, Problem
from assay.evaluate.items import Item, Score, failed
from assay.evaluate.scorers.agreement import (
    AGREEMENT,
    score_choice_agreement,
    score_text_agreement,
)
from assay.evaluate.scorers.bfcl import score_bfcl
from assay.evaluate.scorers.classification import (
    ClassRow,
    ClassTable,
    Confusion,
    build_class_table,
    score_classification,
)
from assay.evaluate.scorers.graded import GRADED, score_grade
from assay.evaluate.scorers.honesty import judge_abstention, score_honesty
from assay.evaluate.scorers.json_answers import score_json_fields, score_json_valid
from assay.evaluate.scorers.likelihood import (
    LIKELIHOOD_METRICS,
    ChoiceLogprob,
    score_choices,
)
from assay.evaluate.scorers.number import score_number
from assay.evaluate.scorers.pairs import PAIR_ACCURACY, score_pair
from assay.evaluate.scorers.parity import COMPARED, PARITY, score_parity
from assay.evaluate.scorers.perplexity import (
    compute_corpus_perplexity,
    compute_perplexity_bounds,
    score_perplexity,
)
from assay.evaluate.scorers.ranking import RANKED, score_ranking
from assay.evaluate.scorers.refusal import (
    MARKERS,
    Refusal,
    judge_refusal,
    score_over_refusal,
    score_refusal,
)
from assay.evaluate.scorers.steps import STEP_ACCURACY, score_steps
from assay.evaluate.scorers.text import score_contains, score_exact, score_token_f1
from assay.evaluate.scorers.tool_call import score_tool_call
from assay.evaluate.scorers.user_function import (
    is_function_spec,
    load_user_function,
    score_by_function,
    score_or_fail,
)

Scorer = Callable[[str, Item], Score]

SCORERS: dict[str, Scorer] = {
    "exact": score_exact,
    "contains": score_contains,
    "token_f1": score_token_f1,
    "json_valid": score_json_valid,
    "json_fields": score_json_fields,
    "tool_call": score_tool_call,
    "bfcl": score_bfcl,
    "classification": score_classification,
    "number": score_number,
    "honesty": score_honesty,
    "refusal": score_refusal,
    "over_refusal": score_over_refusal,
}
METRICS: tuple[str, ...] = (
    "auto",
    *SCORERS,
    AGREEMENT,
    "perplexity",
    *LIKELIHOOD_METRICS,
    RANKED,
    PAIR_ACCURACY,
    STEP_ACCURACY,
    GRADED,
)


def metric_problem(metric: str) -> Problem | None:
    """What is wrong with a metric's name, or None; a function's file is not opened."""
    if metric in METRICS or is_function_spec(metric):
        return None
    near = get_close_matches(metric, METRICS, n=1)
    return Problem(
        got=f"metric {metric!r}",
        allowed=", ".join(METRICS) + ' or "file.py:function"',
        do=f"write {near[0]}" if near else "name one of these",
    )


def build_scorer(metric: str, *, base_dir: Path | str = ".") -> Scorer:
    """The scorer of a named metric or of the user's ``file.py:function``, loaded once.

    Raises ConfigError for an unknown name or an unusable file, EvaluationError for names that do
    not score text: "auto" (see `plan_metrics`), and those scored by probability.
    """
    if metric in SCORERS:
        return SCORERS[metric]
    if is_function_spec(metric):
        return partial(score_by_function, function=load_user_function(metric, base_dir=base_dir))
    problem = metric_problem(metric)
    if problem is not None:
        raise ConfigError(problem)
    raise EvaluationError(f"metric {metric!r} does not score an output text")


def score_outputs(
    items: Sequence[Item],
    outputs: Sequence[str],
    *,
    base_dir: Path | str = ".",
    keep_going: bool = False,
) -> dict[str, Score]:
    """The score of each output by item id, every item by its own metric.

    Items of metric agreement or parity are compared with others of their group among these. With
    `keep_going` an item whose user's function cannot be loaded or fails has no score, and says so
    (`Score.failed`).

    Raises:
        EvaluationError: the two differ in length, or an id comes twice.
        ConfigError: as `build_scorer`, and a user's function that fails, unless `keep_going`.
    """
    if len(items) != len(outputs):
        raise EvaluationError(f"{len(items)} items have {len(outputs)} outputs")
    if len({item.id for item in items}) != len(items):
        raise EvaluationError("two items have the same id")
    build = partial(_build_lasting_scorer if keep_going else build_scorer, base_dir=base_dir)
    pairs = list(zip(items, outputs, strict=True))
    single = [(item, output) for item, output in pairs if item.metric not in COMPARED]
    scorers = {metric: build(metric) for metric in sorted({item.metric for item, _ in single})}
    scores = {item.id: scorers[item.metric](output, item) for item, output in single}
    compared = [(item, output) for item, output in pairs if item.metric == AGREEMENT]
    scores |= score_text_agreement([i for i, _ in compared], [output for _, output in compared])
    even = [(item, output) for item, output in pairs if item.metric == PARITY]
    scores |= score_parity([i for i, _ in even], [output for _, output in even], _score_by)
    return {item.id: scores[item.id] for item in items}


def _score_by(metric: str, output: str, item: Item) -> Score:
    return SCORERS[metric](output, item)


def check_metrics(metrics: Iterable[str], *, base_dir: Path | str = ".") -> None:
    """Load every metric that is a user's function; the others are known.

    Raises:
        ConfigError: a function that cannot be loaded, or does not take its three arguments.
    """
    for metric in sorted(set(metrics)):
        if is_function_spec(metric):
            load_user_function(metric, base_dir=base_dir)


def _build_lasting_scorer(metric: str, *, base_dir: Path | str) -> Scorer:
    """The scorer of a metric, which has no score where a user's function has none to give."""
    if not is_function_spec(metric):
        return build_scorer(metric, base_dir=base_dir)
    try:
        return partial(score_or_fail, score=build_scorer(metric, base_dir=base_dir))
    except ConfigError as error:
        reason = str(error)
        return lambda output, item: failed(item.metric, reason)


__all__ = [
    "AGREEMENT",
    "GRADED",
    "LIKELIHOOD_METRICS",
    "MARKERS",
    "METRICS",
    "PAIR_ACCURACY",
    "RANKED",
    "SCORERS",
    "STEP_ACCURACY",
    "ChoiceLogprob",
    "ClassRow",
    "ClassTable",
    "Confusion",
    "Refusal",
    "Scorer",
    "build_class_table",
    "build_scorer",
    "check_metrics",
    "compute_corpus_perplexity",
    "compute_perplexity_bounds",
    "is_function_spec",
    "judge_abstention",
    "judge_refusal",
    "load_user_function",
    "metric_problem",
    "score_bfcl",
    "score_by_function",
    "score_choice_agreement",
    "score_choices",
    "score_classification",
    "score_contains",
    "score_exact",
    "score_grade",
    "score_honesty",
    "score_json_fields",
    "score_json_valid",
    "score_number",
    "score_outputs",
    "score_over_refusal",
    "score_pair",
    "score_perplexity",
    "score_ranking",
    "score_refusal",
    "score_steps",
    "score_text_agreement",
    "score_token_f1",
    "score_tool_call",
]
