"""Ways to say how far a prompt lies from the training prompts, in the base's hidden states.

Shape legend: N prompts, F features (blocks of unit length), R directions, C centres, M stored
prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]
MOST_DIRECTIONS = 128
MOST_CENTRES = 8
NEIGHBOURS = 5
_ROWS_PER_CENTRE = 25
_ROUNDS = 25
_LEAST = 1e-12


class Measure(Protocol):
    """Distances of prompts; the farther outside, the higher."""

    def score(self, features_NF: Array) -> Array:
        """Shape (N,)."""
        ...

    def to_tensors(self) -> dict[str, Array]:
        """What it is built of again (see `file.py`), in float32."""
        ...


@dataclass(frozen=True)
class Mahalanobis:
    """The Mahalanobis distance to the training mean (Lee et al. 2018, section 2.1, for one class).

    The covariance is shrunk towards a multiple of the identity (Chen et al. 2010, equation 23:
    oracle approximating shrinkage), and held as its largest directions and one variance for all
    others.
    """

    mean_F: Array
    directions_RF: Array
    variances_R: Array
    rest: Array

    def score(self, features_NF: Array) -> Array:
        """Root of the mean square over F dimensions, so that it is near 1 inside."""
        away_NF = features_NF.astype(np.float64) - self.mean_F
        along_NR = away_NF @ self.directions_RF.T
        left_N = (away_NF**2).sum(1) - (along_NR**2).sum(1)
        total_N = (along_NR**2 / self.variances_R).sum(1) + left_N.clip(0) / self.rest[0]
        result: Array = np.sqrt(total_N / features_NF.shape[1])
        return result

    def to_tensors(self) -> dict[str, Array]:
        return dict(vars(self))


def fit_mahalanobis(features_NF: Array) -> Mahalanobis:
    """Of at least two prompts; the eigenvectors come of the N by N products, so F may be large."""
    num, size = features_NF.shape
    mean_F = features_NF.mean(0)
    away_NF = (features_NF - mean_F).astype(np.float64)
    values_N, vectors_NN = np.linalg.eigh(away_NF @ away_NF.T / num)
    order = np.argsort(values_N)[::-1]
    values_N, vectors_NN = values_N[order].clip(0), vectors_NN[:, order]
    trace = float(values_N.sum())
    shrinkage = compute_shrinkage(trace, float((values_N**2).sum()), num=num, size=size)
    common = shrinkage * trace / size
    kept = min(MOST_DIRECTIONS, int((values_N > trace * 1e-9).sum()))
    top_R = values_N[:kept]
    directions_RF = (away_NF.T @ vectors_NN[:, :kept]).T / np.sqrt(num * top_R)[:, None]
    others = (1 - shrinkage) * (trace - float(top_R.sum())) / max(1, size - kept) + common
    return Mahalanobis(
        mean_F.astype(np.float32),
        directions_RF.astype(np.float32),
        ((1 - shrinkage) * top_R + common + _LEAST).astype(np.float32),
        np.array([others + _LEAST], np.float32),
    )


@dataclass(frozen=True)
class Relative:
    """Mahalanobis distance to one's own prompts less that to prompts of all kinds (Ren et al. 2021,
    equation 3, with squares): what is unusual for any prompt counts for less.
    """

    own: Mahalanobis
    background: Mahalanobis

    def score(self, features_NF: Array) -> Array:
        result: Array = self.own.score(features_NF) ** 2 - self.background.score(features_NF) ** 2
        return result

    def to_tensors(self) -> dict[str, Array]:
        both = (("own", self.own), ("background", self.background))
        return {f"{name}.{k}": v for name, one in both for k, v in one.to_tensors().items()}


def build_relative(**tensors: Array) -> Relative:
    """Again from `Relative.to_tensors`."""

    def build(name: str) -> Mahalanobis:
        start = f"{name}."
        own = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        return Mahalanobis(**own)

    return Relative(build("own"), build("background"))


def compute_shrinkage(trace: float, trace_of_square: float, *, num: int, size: int) -> float:
    """The weight of the identity, in [0, 1], from tr(S) and tr(S²) of a sample covariance."""
    spread = trace_of_square - trace**2 / size
    if spread <= _LEAST * trace**2:
        return 1.0
    above = (1 - 2 / size) * trace_of_square + trace**2
    return min(1.0, above / ((num + 1 - 2 / size) * spread))


@dataclass(frozen=True)
class Cosine:
    """One minus the cosine to the nearest of the training prompts' centres."""

    centres_CF: Array

    def score(self, features_NF: Array) -> Array:
        result: Array = 1 - (to_unit(features_NF) @ self.centres_CF.T).max(1)
        return result

    def to_tensors(self) -> dict[str, Array]:
        return dict(vars(self))


def fit_cosine(features_NF: Array, *, seed: int = 0) -> Cosine:
    """Spherical k-means (Dhillon and Modha 2001): one centre for 25 prompts, at most eight."""
    units_NF = to_unit(features_NF)
    num = min(MOST_CENTRES, max(1, len(units_NF) // _ROWS_PER_CENTRE))
    drawn = np.random.default_rng(seed).choice(len(units_NF), num, replace=False)
    centres_CF = units_NF[drawn]
    for _ in range(_ROUNDS):
        owners_N = (units_NF @ centres_CF.T).argmax(1)
        sums = [units_NF[owners_N == c].sum(0) for c in range(num)]
        # A centre that lost all its prompts stays where it was.
        found = [s if np.any(owners_N == c) else centres_CF[c] for c, s in enumerate(sums)]
        moved_CF = to_unit(np.stack(found))
        if np.array_equal(moved_CF, centres_CF):
            break
        centres_CF = moved_CF
    return Cosine(centres_CF.astype(np.float32))


@dataclass(frozen=True)
class Nearest:
    """Distance to the k-th nearest training prompt on the unit sphere (Sun et al. 2022)."""

    prompts_MF: Array

    def score(self, features_NF: Array) -> Array:
        cosines_NM = to_unit(features_NF) @ self.prompts_MF.T
        place = max(0, cosines_NM.shape[1] - NEIGHBOURS)
        nearest_N = np.partition(cosines_NM, place, axis=1)[:, place]
        result: Array = np.sqrt((2 - 2 * nearest_N).clip(0))
        return result

    def to_tensors(self) -> dict[str, Array]:
        return dict(vars(self))


def fit_nearest(features_NF: Array) -> Nearest:
    """Keeps every prompt's features."""
    return Nearest(to_unit(features_NF).astype(np.float32))


def to_unit(values: Array) -> Array:
    """Each row at length 1; one of zeros stays."""
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    result: Array = values / np.maximum(lengths, _LEAST)
    return result
