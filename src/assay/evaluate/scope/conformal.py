"""Split-conformal calibration: from the scores of held-out prompts to a threshold with a level.

A new prompt that is exchangeable with the held-out ones scores beyond the threshold with at most
the stated probability, whatever the score is, at any number of them (Papadopoulos et al. 2002;
Vovk et al. 2005, section 4; Angelopoulos and Bates 2023, "Conformal Prediction: A Gentle
Introduction", theorem D.1). Higher scores are farther outside.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_ROUNDING = 1e-9
"""(n + 1)(1 - level) is a whole number for many levels that binary fractions do not hold."""


def compute_threshold(calibration: Array, level: float) -> float:
    """The score beyond which a prompt is outside: the ceil((n + 1)(1 - level))-th smallest of n.

    A score equal to it is inside, so ties count for the prompt. Infinite where n is too small
    (`count_needed`): no prompt is then outside.

    Raises:
        ValueError: `level` is not within (0, 1).
    """
    place = _find_place(len(calibration), level)
    if place > len(calibration):
        return math.inf
    return float(np.sort(calibration)[place - 1])


def compute_p_value(calibration: Array, score: float) -> float:
    """The share of scores, the prompt's own among them, that are at least as far outside: (0, 1].

    At most `level` exactly where `score` is beyond `compute_threshold(calibration, level)`.
    """
    return float(1 + np.count_nonzero(calibration >= score)) / (len(calibration) + 1)


def is_outside(calibration: Array, score: float, level: float) -> bool:
    """Whether a score is beyond the threshold of a level."""
    return score > compute_threshold(calibration, level)


def count_needed(level: float) -> int:
    """The fewest held-out prompts at which a threshold of this level is finite."""
    num = max(1, math.ceil(1 / level) - 2)
    while _find_place(num, level) > num:
        num += 1
    return num


def _find_place(num: int, level: float) -> int:
    if not 0 < level < 1:
        raise ValueError(f"a level of {level}, which is not between 0 and 1")
    return math.ceil((num + 1) * (1 - level) - _ROUNDING)
