"""Scores a pair of answers by which of them a model prefers; it runs no model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from assay.evaluate.items import Item, Score, unscored

PAIR_ACCURACY = "pair_accuracy"
"""An item of it has two choices, of which the first is the better one."""


def score_pair(item: Item, rewards: Sequence[float]) -> Score:
    """1 where the better answer's reward is the greater, 0 where the other's is, ½ for equal ones.

    So a model that cannot tell answers apart has the score of chance.
    """
    if len(rewards) != 2 or len(item.choices) != 2:
        return unscored(PAIR_ACCURACY, "the item is no pair of answers")
    if not all(map(math.isfinite, rewards)):
        return unscored(PAIR_ACCURACY, "an answer has no finite reward")
    chosen, rejected = rewards
    value = 0.5 if chosen == rejected else float(chosen > rejected)
    return Score(PAIR_ACCURACY, value, value == 1.0, {"rewards": [chosen, rejected]})
