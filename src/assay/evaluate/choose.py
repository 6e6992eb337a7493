"""Chooses a metric from the references when the recipe says "auto"; it never sees an output.

The choice is made per item, so one split may classify, answer and call tools. It looks only at
gold answers: nothing that a model did can move it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from assay.evaluate.items import Item, reference_calls, reference_text, with_metric
from assay.evaluate.scorers.classification import normalise_label
from assay.evaluate.scorers.json_answers import parse_object
from assay.evaluate.scorers.likelihood import LIKELIHOOD_METRICS

MAX_LABELS = 20
MAX_LABEL_WORDS = 4
MIN_LABEL_ITEMS = 30
MIN_REPEATS = 3
"""A short answer is a label among other short answers when it is the gold of three items."""
MAX_EXACT_WORDS = 12
MIXED = "mixed"


@dataclass(frozen=True)
class MetricPlan:
    """How items get their metric, and why.

    `metric` is one name, or "mixed" when items differ; then a suite's figure is the share of
    correct items and the report breaks it down. `labels` are the normalised class names,
    `text_metric` judges every other text. `named` says that the recipe named the metric.
    `reason` is one sentence for people.
    """

    metric: str
    labels: frozenset[str] = frozenset()
    text_metric: str = "exact"
    named: bool = False
    reason: str = ""


def plan_metrics(items: Sequence[Item], *, metric: str = "auto") -> MetricPlan:
    """The plan for `items` and for any other split of the same data.

    Call it once over all items that will be compared or chosen on (validation and test), so that
    both splits are judged alike. A named `metric` is taken as it is.
    """
    if metric != "auto":
        return MetricPlan(metric, named=True, reason=f"the recipe names {metric}")
    asked = [item for item in items if not item.choices]
    texts = [reference_text(item) for item in asked if _shape(item) == "text"]
    labels = _find_labels(texts)
    prose = [text for text in texts if normalise_label(text) not in labels]
    text_metric = _text_metric(prose)
    plan = MetricPlan(MIXED, labels, text_metric=text_metric)
    counts = Counter(_metric_for(item, plan) for item in items)
    name = next(iter(counts), text_metric) if len(counts) < 2 else MIXED
    return replace(plan, metric=name, reason=_reason(counts, labels, prose))


def assign_metrics(items: Sequence[Item], plan: MetricPlan) -> list[Item]:
    """The items with their metric; one that names its own keeps it."""
    return [with_metric(item, _metric_for(item, plan)) for item in items]


def _metric_for(item: Item, plan: MetricPlan) -> str:
    if item.metric != "auto":
        return item.metric
    if item.choices:
        return plan.metric if plan.metric in LIKELIHOOD_METRICS else LIKELIHOOD_METRICS[0]
    if plan.named:
        return plan.metric
    shape = _shape(item)
    if shape != "text":
        return shape
    is_label = normalise_label(reference_text(item)) in plan.labels
    return "classification" if is_label else plan.text_metric


def _shape(item: Item) -> str:
    if reference_calls(item):
        return "tool_call"
    return "text" if parse_object(reference_text(item)) is None else "json_fields"


def _find_labels(texts: Sequence[str]) -> frozenset[str]:
    short = [normalise_label(text) for text in texts if len(text.split()) <= MAX_LABEL_WORDS]
    counts = Counter(label for label in short if label)
    if len(counts) > MAX_LABELS or counts.total() < 2 * len(counts):
        counts = Counter({label: n for label, n in counts.items() if n >= MIN_REPEATS})
    few = 2 <= len(counts) <= MAX_LABELS
    return frozenset(counts) if few and counts.total() >= MIN_LABEL_ITEMS else frozenset()


def _text_metric(texts: Sequence[str]) -> str:
    if not texts:
        return "exact"
    return "exact" if _median_words(texts) <= MAX_EXACT_WORDS else "token_f1"


def _median_words(texts: Sequence[str]) -> float:
    return float(median(len(text.split()) for text in texts))


def _reason(counts: Counter[str], labels: frozenset[str], prose: Sequence[str]) -> str:
    words = f"{_median_words(prose):g}" if prose else "0"
    why = {
        "tool_call": "the reference makes tool calls",
        "json_fields": "the reference is a JSON object",
        "classification": f"the reference is one of {len(labels)} short answers that repeat",
        "exact": f"answers have a median of {words} words, at most {MAX_EXACT_WORDS}",
        "choice": "the item has choices",
        "pair_accuracy": "a reward model tells the better of two answers",
        "step_accuracy": "a process reward model tells which steps are right",
        "token_f1": f"answers have a median of {words} words, more than {MAX_EXACT_WORDS}",
    }
    return "; ".join(
        f"{name} for {n} items: {why.get(name, 'named by the item')}"
        for name, n in counts.most_common()
    )
