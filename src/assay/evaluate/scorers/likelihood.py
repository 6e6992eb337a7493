"""Scores an item by the probability of its choices, which an engine measured; it runs no model.

Nothing is generated, so a small change of a model shows before any answer does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from assay.evaluate.items import Item, Score, unscored


@dataclass(frozen=True)
class ChoiceLogprob:
    """Σ log p (nats, ≤ 0) of one choice's tokens after the prompt, and how many they are."""

    sum_logprob: float
    num_tokens: int


def score_choices(item: Item, logprobs: Sequence[ChoiceLogprob]) -> Score:
    """The score of an item by its own metric, one of `LIKELIHOOD_METRICS`.

    ``choice``: whether the likeliest choice is a gold (lm-eval-harness' acc). ``choice_norm``: the
    same by log-probability per byte of the choice (its acc_norm). ``mass``: Σ p of the golds over
    Σ p of all choices (TruthfulQA's MC2, Lin et al. 2022; a trait's statement, Perez et al. 2022).
    """
    reason = _find_obstacle(item, logprobs)
    if reason:
        return unscored(item.metric, reason)
    return _SCORERS[item.metric](item, [one.sum_logprob for one in logprobs])


def _find_obstacle(item: Item, logprobs: Sequence[ChoiceLogprob]) -> str:
    if len(item.choices) < 2:
        return "the item has fewer than two choices"
    if not item.golds or len(item.golds) >= len(item.choices):
        return "the item needs right choices and others"
    if len(logprobs) != len(item.choices) or any(one.num_tokens < 1 for one in logprobs):
        return "a choice has no token"
    if not all(math.isfinite(one.sum_logprob) for one in logprobs):
        return "a choice has no finite probability"
    return ""


def _score_choice(item: Item, sums: Sequence[float]) -> Score:
    return _pick(item, sums, sums)


def _score_choice_norm(item: Item, sums: Sequence[float]) -> Score:
    sizes = [max(1, len(choice.encode())) for choice in item.choices]
    return _pick(item, [value / size for value, size in zip(sums, sizes, strict=True)], sums)


def _pick(item: Item, values: Sequence[float], sums: Sequence[float]) -> Score:
    chosen = max(range(len(values)), key=lambda place: values[place])
    correct = chosen in item.golds
    detail = {"chosen": chosen, "logprobs": list(sums)}
    return Score(item.metric, float(correct), correct, detail)


def _score_mass(item: Item, sums: Sequence[float]) -> Score:
    top = max(sums)
    weights = [math.exp(value - top) for value in sums]
    mass = math.fsum(weights[place] for place in item.golds) / math.fsum(weights)
    return Score(item.metric, mass, None, {"logprobs": list(sums)})


_SCORERS: Mapping[str, Callable[[Item, Sequence[float]], Score]] = {
    "choice": _score_choice,
    "choice_norm": _score_choice_norm,
    "mass": _score_mass,
}
LIKELIHOOD_METRICS = tuple(_SCORERS)
