"""Scores the steps of an answer by which of them a model takes for right; it runs no model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from assay.evaluate.items import Item, Score, unscored

STEP_ACCURACY = "step_accuracy"
"""The choices of an item of it are an answer up to the end of each step; `golds` are the right."""


def score_steps(item: Item, scores: Sequence[float] | None) -> Score:
    """The share of steps that are told rightly: right ones have scores above 0, wrong ones not.

    None is a model that tells nothing, and takes each step for right.
    """
    given = [math.inf] * len(item.choices) if scores is None else list(scores)
    if not given or len(given) != len(item.choices) or any(map(math.isnan, given)):
        return unscored(STEP_ACCURACY, "not every step has a score")
    told = [(score > 0) == (place in item.golds) for place, score in enumerate(given)]
    value = sum(told) / len(told)
    return Score(STEP_ACCURACY, value, value == 1.0, {} if scores is None else {"scores": given})
