"""Whether more rows would help: the loss of held-out rows by how many rows a base was tuned on.

Every share of the rows is tuned afresh on the small base and scored on the same held-out rows, so
that points are compared in pairs. Each share is gone through as often as makes all points see
equally many rows: else a smaller share would also have fewer steps, and the curve would tell of
those. A power law (Hestness et al. 2017, "Deep learning scaling is
predictable, empirically", equation 2) goes through them and says where another doubling gains less
than a stated amount.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.config import SourceConfig
from assay.data import Record, read_sources
from assay.data.curate import Given
from assay.data.keys import compute_conversation_key
from assay.errors import DataError, Problem
from assay.evaluate.stats import Interval, paired_bootstrap

SHARES = (0.1, 0.2, 0.4, 0.8)
HELD_OUT_SHARE = 0.2
MAX_HELD_OUT = 300
MIN_ROWS = 50
NUM_RESAMPLES = 200
# A law through four points is trusted this far beyond the last of them.
MAX_REACH = 16

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class PowerLaw:
    """Loss = floor + scale · rows^−exponent, in nats a token; floor and scale are at least 0."""

    floor: float
    scale: float
    exponent: float

    def predict(self, num_rows: float) -> float:
        """The loss after tuning on so many rows."""
        return float(self.floor + self.scale * num_rows**-self.exponent)

    def find_enough(self, min_gain: float, *, most: float) -> float | None:
        """The rows from which on doubling them gains less than `min_gain`; None beyond `most`."""
        gain_of_one = self.scale * (1 - 2**-self.exponent)
        if gain_of_one < min_gain:
            return 1.0
        rows = (gain_of_one / min_gain) ** (1 / self.exponent)
        return float(rows) if rows <= most else None


@dataclass(frozen=True)
class Point:
    """One share of the rows.

    Attributes:
        loss: mean over the held-out rows, in nats a trained token.
        gain: by how much the loss fell since the point before (the untuned base for the first).
    """

    share: float
    num_rows: int
    loss: float
    gain: Interval


@dataclass(frozen=True)
class Curve:
    """What `compute_curve` measured.

    Attributes:
        num_rows: different rows that were drawn from.
        num_held_out: rows that every point is scored on.
        untuned: loss of the base as it is.
        enough: rows from which another doubling gains less than `min_gain`; None where that lies
            beyond `MAX_REACH` times the last point, or the points show no law.
        enough_interval: 95 % bootstrap interval of it over held-out rows; an end is None likewise.
    """

    base: str
    num_rows: int
    num_held_out: int
    untuned: float
    points: tuple[Point, ...]
    law: PowerLaw
    min_gain: float
    enough: int | None
    enough_interval: tuple[int | None, int | None]

    def to_json(self) -> dict[str, Any]:
        """As one JSON object."""
        return asdict(self)


def read_curve_rows(sources: Sequence[SourceConfig], *, base_dir: Path) -> list[Record]:
    """The different rows of the sources, of copies the first.

    Raises:
        DataError: a file that cannot be read, or fewer than 50 different rows.
    """
    read = read_sources(list(sources), base_dir=base_dir)
    if read.refusals or not read.records:
        raise DataError([*read.refusals, *read.problems])
    different = {compute_conversation_key(one): one for one in reversed(read.records)}
    records = list(reversed(different.values()))
    if len(records) < MIN_ROWS:
        problem = Problem(
            f"{len(records)} different rows", f"at least {MIN_ROWS}", "name a file with more rows"
        )
        raise DataError(problem)
    return records


def compute_curve(
    given: Given,
    records: Sequence[Record],
    *,
    base: str,
    max_rows: int,
    min_gain: float,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Curve:
    """Tune on nested shares of at most `max_rows` rows, drawn by `seed`, and score the held-out.

    Args:
        given: `score` and `fit` of the base.
        min_gain: nats a token that a doubling has to gain.
        progress: points done, of all.

    Raises:
        DataError: too few rows fit into the base's context.
    """
    assert given.score is not None and given.fit is not None
    order = np.random.default_rng(seed).permutation(len(records))[:max_rows]
    drawn = [records[index] for index in order]
    held_out = drawn[: min(MAX_HELD_OUT, round(HELD_OUT_SHARE * len(drawn)))]
    pool = drawn[len(held_out) :]
    progress(0, len(SHARES) + 1)
    losses = [np.asarray(given.score(held_out), np.float64)]
    counts = [min(len(pool), max(1, round(share * len(drawn)))) for share in SHARES]
    for done, count in enumerate(counts, start=1):
        progress(done, len(SHARES) + 1)
        rows = _repeat(pool[:count], counts[-1], seed)
        losses.append(np.asarray(given.fit(rows, held_out), np.float64))
    progress(len(SHARES) + 1, len(SHARES) + 1)
    return _build_curve(np.stack(losses), counts, base, len(drawn), min_gain, seed)


def _repeat(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """`count` rows: each as often as any other, but for one, and in another order each time."""
    rng = np.random.default_rng(seed)
    places = np.concatenate(
        [rng.permutation(len(records)) for _ in range(-(-count // len(records)))]
    )
    return [records[place] for place in places[:count]]


def _build_curve(
    losses: Array, counts: Sequence[int], base: str, num_rows: int, min_gain: float, seed: int
) -> Curve:
    """From float64 (points + 1, held-out rows); the first row of it is the untuned base."""
    losses = losses[:, np.isfinite(losses).all(axis=0)]
    if losses.shape[1] < 2:
        problem = Problem(
            "hardly a row that fits into the base's context", "at least 2 held-out rows that do",
            "name a base with a longer context",
        )  # fmt: skip
        raise DataError(problem)
    points = [
        Point(share, count, float(own.mean()), paired_bootstrap(before, own))
        for share, count, before, own in zip(
            SHARES, counts, losses.tolist(), losses[1:], strict=False
        )
    ]
    most = MAX_REACH * counts[-1]
    law = fit_power_law(counts, losses[1:].mean(axis=1))
    enough = law.find_enough(min_gain, most=most)
    return Curve(
        base=base,
        num_rows=num_rows,
        num_held_out=losses.shape[1],
        untuned=float(losses[0].mean()),
        points=tuple(points),
        law=law,
        min_gain=min_gain,
        enough=None if enough is None else round(enough),
        enough_interval=_resample(losses[1:], counts, min_gain, most, seed),
    )


def _resample(
    losses: Array, counts: Sequence[int], min_gain: float, most: float, seed: int
) -> tuple[int | None, int | None]:
    """The 95 % percentile interval of `enough`; what lies beyond `most` is None."""
    rng = np.random.default_rng(seed)
    size = losses.shape[1]
    found = []
    for _ in range(NUM_RESAMPLES):
        own = losses[:, rng.integers(0, size, size)].mean(axis=1)
        enough = fit_power_law(counts, own).find_enough(min_gain, most=most)
        found.append(float("inf") if enough is None else enough)
    low, high = np.quantile(found, [0.025, 0.975], method="nearest").tolist()
    return (_round(low), _round(high))


def _round(value: float) -> int | None:
    return round(value) if np.isfinite(value) else None


def fit_power_law(counts: Sequence[int], losses: Array) -> PowerLaw:
    """Least squares over a grid of exponents from 0.05 to 2, floor and scale at least 0.

    Losses that do not fall give a law of scale 0.
    """
    best, fitted = float("inf"), PowerLaw(float(np.mean(losses)), 0.0, 1.0)
    for exponent in np.geomspace(0.05, 2.0, 60).tolist():
        falls = np.asarray(counts, np.float64) ** -exponent
        floor, scale = _solve(falls, losses)
        error = float(((floor + scale * falls - losses) ** 2).sum())
        if error < best - 1e-12:
            best, fitted = error, PowerLaw(floor, scale, exponent)
    return fitted


def _solve(falls: Array, losses: Array) -> tuple[float, float]:
    """Floor and scale of the best line through (falls, losses) of which neither is below 0."""
    spread = falls - falls.mean()
    scale = float((spread * (losses - losses.mean())).sum() / max((spread**2).sum(), 1e-300))
    floor = float(losses.mean() - scale * falls.mean())
    if scale < 0:
        return float(losses.mean()), 0.0
    if floor < 0:
        return 0.0, float((falls * losses).sum() / (falls**2).sum())
    return floor, scale
