"""Fits a scope: measures on training prompts, their combination on other ones, then calibration.

Three sets of prompts that have nothing in common: what is chosen is never chosen by the prompts
that calibrate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from assay.evaluate.scope.measures import (
    Array,
    Measure,
    Relative,
    fit_cosine,
    fit_mahalanobis,
    fit_nearest,
)
from assay.evaluate.scope.scope import RATIO, Part, Scope, build_features

FEWEST_FITTED = 16
FEWEST_CHOOSING = 20
_LEVELS = tuple(place / 100 for place in range(1, 11))
_WORTH = 0.01
"""By how much of the foreign prompts a combination must be better than one with fewer parts."""
_LEAST_SPREAD = 1e-9


@dataclass(frozen=True)
class Prompts:
    """Mean states (N, B, D); and log-likelihoods, base minus tuned, shape (N,), where needed."""

    states_NBD: Array
    ratios_N: Array | None = None

    def __len__(self) -> int:
        return len(self.states_NBD)


@dataclass(frozen=True)
class Pools:
    """What a scope is fitted by; no prompt is in two of them, or in the calibration.

    Attributes:
        training: prompts that were tuned on.
        background: prompts of all kinds.
        choosing: prompts of the adapter's kind that were not tuned on; with ratios.
        foreign: prompts of other kinds; with ratios. These two choose the combination.
    """

    training: Prompts
    background: Prompts
    choosing: Prompts
    foreign: Prompts


def fit_scope(pools: Pools, *, layers: Sequence[int], level: float = 0.05) -> Scope | str:
    """The scope, not calibrated yet; or why there can be none."""
    if len(pools.training) < FEWEST_FITTED:
        return f"{len(pools.training)} training prompts, and a scope needs {FEWEST_FITTED}"
    measures = fit_measures(pools)
    parts, told = _choose(measures, pools)
    origin = {
        "num_training": len(pools.training),
        "num_background": len(pools.background),
        "num_choosing": len(pools.choosing),
        "num_foreign": len(pools.foreign),
        "share_of_foreign_outside": told,
    }
    names = [part.name for part in parts]
    kept = {name: one for name, one in measures.items() if name in names}
    return Scope(tuple(layers), kept, parts, np.zeros(0), level, origin)


def fit_measures(pools: Pools) -> dict[str, Measure]:
    """Those that can be fitted, the one that serves where none can be chosen first."""
    features_NF = build_features(pools.training.states_NBD)
    own = fit_mahalanobis(features_NF)
    measures: dict[str, Measure] = {"mahalanobis": own}
    if len(pools.background) >= FEWEST_FITTED:
        background = fit_mahalanobis(build_features(pools.background.states_NBD))
        measures = {"relative_mahalanobis": Relative(own, background), **measures}
    measures["nearest"] = fit_nearest(features_NF)
    measures["cosine"] = fit_cosine(features_NF)
    return measures


def _choose(
    measures: Mapping[str, Measure], pools: Pools
) -> tuple[tuple[Part, ...], dict[str, Any]]:
    """The parts, and for each combination how many foreign prompts leave by it.

    With too few prompts to choose by it is the first measure alone.
    """
    if min(len(pools.choosing), len(pools.foreign)) < FEWEST_CHOOSING:
        return (Part(next(iter(measures)), 0.0, 1.0),), {}
    inside = _measure(measures, pools.choosing)
    outside = _measure(measures, pools.foreign)
    parts = {name: _standardise(name, scores_N) for name, scores_N in inside.items()}
    found: dict[tuple[str, ...], float] = {}
    for names in _list_combinations(list(parts)):
        own = [parts[name] for name in names]
        found[names] = compute_share_outside(_sum(own, inside), _sum(own, outside))
    best = max(found, key=lambda names: found[names] - _WORTH * len(names))
    told = {"+".join(names): round(share, 4) for names, share in found.items()}
    return tuple(parts[name] for name in best), told


def compute_share_outside(inside_N: Array, outside_M: Array) -> float:
    """Foreign prompts beyond the quantiles of one's own at levels of 1 to 10 %: their mean share.

    Shares at one level jump with each prompt; their mean tells combinations apart sooner.
    """
    bounds = np.quantile(inside_N, [1 - level for level in _LEVELS])
    return float(np.mean([np.mean(outside_M > bound) for bound in bounds]))


def _measure(measures: Mapping[str, Measure], prompts: Prompts) -> dict[str, Array]:
    features_NF = build_features(prompts.states_NBD)
    found = {name: measure.score(features_NF) for name, measure in measures.items()}
    return found if prompts.ratios_N is None else found | {RATIO: prompts.ratios_N}


def _standardise(name: str, scores_N: Array) -> Part:
    """From the median, in steps to the 90th percentile: what one's own prompts usually reach."""
    middle, high = np.quantile(scores_N, [0.5, 0.9])
    return Part(name, float(middle), max(float(high - middle), _LEAST_SPREAD))


def _sum(parts: Sequence[Part], scores: Mapping[str, Array]) -> Array:
    result: Array = np.sum([part.standardise(scores[part.name]) for part in parts], axis=0)
    return result


def _list_combinations(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [own for num in range(1, len(names) + 1) for own in combinations(names, num)]
