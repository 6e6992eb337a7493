"""Groups of rows that are of one topic, with names, and how varied rows are; it knows no rule.

Points are texts as hashed words, or hidden states of a base: float32 of shape (rows, dimensions).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.data.curate.answers import SMALL_WORDS
from assay.data.curate.linear import fill_matrix, hash_terms

Points = np.ndarray[tuple[int, int], np.dtype[np.float32]]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]

NUM_DIMENSIONS = 512
NUM_TERMS = 4
_MIN_TOPIC_ROWS = 20
_MAX_TOPICS = 12
_NUM_STEPS = 25
_NUM_STARTS = 3
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class Topic:
    """Rows of one group.

    Attributes:
        terms: words that are frequent in it and rare elsewhere, most telling first.
        members: places of its rows, the most central first.
    """

    terms: tuple[str, ...]
    members: tuple[int, ...]


def embed_words(texts: Sequence[str]) -> Points:
    """Texts as points by their words and pairs of words, weighed by rarity; no model is asked."""
    rows, terms = hash_terms(texts)
    columns = (terms % np.uint64(NUM_DIMENSIONS)).astype(np.int64)
    pairs = np.unique(rows * NUM_DIMENSIONS + columns)
    counts = np.bincount(pairs % NUM_DIMENSIONS, minlength=NUM_DIMENSIONS)
    weights = np.log((1 + len(texts)) / (1 + counts)).astype(np.float32)
    return fill_matrix(rows, terms, weights, len(texts))


def scale(points: Points) -> Points:
    """The points about their mean, each of length 1: hidden states share one large direction."""
    centred = points - points.mean(axis=0)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    scaled: Points = centred / np.maximum(norms, np.float32(1e-6))
    return scaled


def find_topics(points: Points, texts: Sequence[str], *, seed: int = 20) -> list[Topic]:
    """Groups by spherical k-means, the largest first; none for fewer rows than make two groups.

    Dhillon and Modha 2001, "Concept decompositions", section 3, from k-means++ starts.
    """
    count = min(_MAX_TOPICS, len(texts) // _MIN_TOPIC_ROWS)
    if count < 2:
        return []
    scaled = scale(points)
    rng = np.random.default_rng(seed)
    tries = [_cluster(scaled, count, rng) for _ in range(_NUM_STARTS)]
    owners, nearness = max(tries, key=lambda found: float(found[1].sum()))
    words = [Counter(_find_words(text)) for text in texts]
    spread = Counter(word for own in words for word in own)
    topics = []
    for cluster in range(count):
        members = np.flatnonzero(owners == cluster)
        if len(members):
            ordered = members[np.argsort(-nearness[members], kind="stable")].tolist()
            terms = _name([words[one] for one in ordered], spread, len(texts))
            topics.append(Topic(terms, tuple(ordered)))
    return sorted(topics, key=lambda topic: -len(topic.members))


def _cluster(points: Points, count: int, rng: np.random.Generator) -> tuple[Numbers, Any]:
    """The cluster of each point, and its cosine to the middle."""
    centres = _draw_centres(points, count, rng)
    owners = np.full(len(points), -1)
    for _ in range(_NUM_STEPS):
        cosines = points @ centres.T
        nearest = cosines.argmax(axis=1)
        if (nearest == owners).all():
            break
        owners = nearest
        sums = np.zeros_like(centres)
        np.add.at(sums, owners, points)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(norms > 0, sums / np.maximum(norms, 1e-6), centres)
    return owners, (points @ centres.T).max(axis=1)


def _draw_centres(points: Points, count: int, rng: np.random.Generator) -> Points:
    """Each next centre is drawn by its distance from the nearest one (Arthur and Vassilvitskii)."""
    chosen = [int(rng.integers(len(points)))]
    for _ in range(count - 1):
        gaps = np.maximum(1 - (points @ points[chosen].T).max(axis=1), 0).astype(np.float64)
        total = gaps.sum()
        even = np.full(len(points), 1 / len(points))
        chosen.append(int(rng.choice(len(points), p=gaps / total if total > 0 else even)))
    return points[chosen]


def _find_words(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.lower()) if word not in SMALL_WORDS}


def _name(own: Sequence[Counter[str]], spread: Counter[str], num_rows: int) -> tuple[str, ...]:
    """Words by how many rows have them times how much oftener than elsewhere (log ratio)."""
    counts = Counter(word for one in own for word in one)

    def weigh(word: str) -> float:
        ratio = (counts[word] / len(own)) / (spread[word] / num_rows)
        return counts[word] * float(np.log(max(ratio, 1.0)))

    ranked = sorted(counts, key=lambda word: (-weigh(word), word))
    return tuple(word for word in ranked[:NUM_TERMS] if weigh(word) > 0)


def measure_variety(points: Points) -> dict[str, float]:
    """How many kinds of rows there are, and how near each is to its nearest neighbour.

    Returns:
        ``effective_rows``: exp of the entropy of the similarities' spectrum, 1 where all rows are
        the same and the number of rows where none are alike (Friedman and Dieng 2023, "The Vendi
        score", definition 3.1); ``nearest``: the median cosine to the nearest other row;
        ``redundant``: the share of rows with another at a cosine of 0.98 or more.
    """
    scaled = scale(points)
    spectrum = np.linalg.eigvalsh((scaled.T @ scaled).astype(np.float64) / len(scaled))
    spectrum = spectrum[spectrum > 1e-12]
    spectrum = spectrum / spectrum.sum()
    cosines = scaled @ scaled.T
    np.fill_diagonal(cosines, -1)
    nearest = cosines.max(axis=1)
    return {
        "effective_rows": round(float(np.exp(-(spectrum * np.log(spectrum)).sum())), 2),
        "nearest": round(float(np.median(nearest)), 3),
        "redundant": round(float((nearest >= 0.98).mean()), 3),
    }
