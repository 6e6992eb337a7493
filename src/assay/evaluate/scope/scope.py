"""An adapter's scope: measures, how they are combined, and the scores of prompts held out.

Shape legend: N prompts, B blocks, D hidden size, F = B * D features. The blocks are of each layer
the mean over the last user turn's own text, then of each layer that over the whole prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from assay.evaluate.scope.conformal import compute_p_value, count_needed, is_outside
from assay.evaluate.scope.measures import Array, Measure, to_unit

RATIO = "likelihood_ratio"


@dataclass(frozen=True)
class Part:
    """One measure of the combination: its score is told in `spread`s from `middle`."""

    name: str
    middle: float
    spread: float

    def standardise(self, scores_N: Array) -> Array:
        result: Array = (scores_N - self.middle) / self.spread
        return result


@dataclass(frozen=True)
class Scope:
    """What says how far outside an adapter's domain a prompt is.

    Attributes:
        layers: of the base whose states are looked at, as Transformers counts them.
        measures: by name, of the hidden states; the likelihood ratio needs none.
        parts: what is summed.
        calibration: scores of held-out prompts, which nothing else here was chosen by.
        level: of the adapter's own prompts the share that may leave, unless a policy says other.
        origin: numbers of prompts, and how the parts were chosen, as plain JSON values.
    """

    layers: tuple[int, ...]
    measures: Mapping[str, Measure]
    parts: tuple[Part, ...]
    calibration: Array
    level: float
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs_ratio(self) -> bool:
        """Whether the tuned model's likelihood is needed, too."""
        return any(part.name == RATIO for part in self.parts)

    def score(self, states_NBD: Array, ratios_N: Array | None = None) -> Array:
        """How far outside, shape (N,), from mean hidden states of the base.

        `ratios_N` are log-likelihoods of those turns, base minus tuned, in nats a token (Ren et
        al. 2019, with the base as the background).

        Raises:
            ValueError: a part is the likelihood ratio, and there is none.
        """
        features_NF = build_features(states_NBD)
        total_N = np.zeros(len(features_NF))
        for part in self.parts:
            if part.name == RATIO:
                if ratios_N is None:
                    raise ValueError("this scope needs the likelihood ratio")
                found_N = ratios_N
            else:
                found_N = self.measures[part.name].score(features_NF)
            total_N = total_N + part.standardise(found_N)
        return total_N

    def calibrate(self, states_NBD: Array, ratios_N: Array | None = None) -> Scope:
        """The same with these held-out prompts' scores in place of any other."""
        scores_N = self.score(states_NBD, ratios_N) if len(states_NBD) else np.zeros(0)
        return replace(self, calibration=np.sort(scores_N))

    def compute_p_value(self, score: float) -> float:
        """See `assay.evaluate.scope.conformal`: how usual such a score is for held-out prompts."""
        return compute_p_value(self.calibration, score)

    def is_outside(self, score: float, level: float | None = None) -> bool:
        """Whether a prompt of this score leaves, at `level` or the scope's own."""
        return is_outside(self.calibration, score, level or self.level)

    def find_obstacle(self, level: float | None = None) -> str:
        """Why no prompt can be told to be outside at that level; empty where it can."""
        wanted = level or self.level
        needed, num = count_needed(wanted), len(self.calibration)
        if num >= needed:
            return ""
        return f"{num} held-out prompts, and a level of {wanted:g} needs {needed}"


def build_features(states_NBD: Array) -> Array:
    """Each mean state at length 1, side by side: shape (N, F)."""
    units_NBD = to_unit(np.asarray(states_NBD, np.float32))
    result: Array = units_NBD.reshape(len(units_NBD), -1)
    return result


def choose_layers(num_layers: int) -> tuple[int, ...]:
    """The embedding, and the states after one third and two thirds of the layers."""
    return tuple(dict.fromkeys(round(num_layers * part / 3) for part in range(3)))
