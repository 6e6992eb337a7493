"""A linear classifier of texts that is tested on every row it was fitted to; it knows no rule.

Words, pairs of words and pieces of words are hashed into two halves of a row, weighed by how rare
they are, and regressed on the classes (ridge, in its dual form). What each row would get from a fit
without it follows exactly from the one fit (Allen 1974, "The relationship between variable
selection and data augmentation", equation 2.2; by the diagonal of the inverse kernel, as in
Rasmussen and Williams 2006, equation 5.12): as many folds as rows for the price of one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from assay.data.curate.words import Numbers, drop_nothing, hash_sequences, hash_words, mix

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]

NUM_DIMENSIONS = 4_096
"""Of each half: words and their pairs, and pieces of words."""
RIDGE = 0.3
_PIECES = (3, 4)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Features:
    """What makes of texts the rows of a matrix: the weight of each dimension, by its rarity."""

    weights: np.ndarray[tuple[int, int], np.dtype[np.float32]]

    @classmethod
    def learn(cls, texts: Sequence[str], *, num_dimensions: int = NUM_DIMENSIONS) -> Features:
        """Inverse document frequencies in `texts`."""
        weights = []
        for rows, terms in (hash_terms(texts), _find_pieces(texts)):
            pairs = np.unique(rows * num_dimensions + _columns(terms, num_dimensions))
            counts = np.bincount(pairs % num_dimensions, minlength=num_dimensions)
            weights.append(np.log((1 + len(texts)) / (1 + counts)))
        return cls(np.array(weights, np.float32))

    def compute(self, texts: Sequence[str]) -> Matrix:
        """Float32 (texts, 2 × dimensions); each half of a row has length 0.7, or 0 if unknown."""
        halves = [
            fill_matrix(*found, own, len(texts))
            for found, own in zip(
                (hash_terms(texts), _find_pieces(texts)), self.weights, strict=True
            )
        ]
        return np.concatenate(halves, axis=1)


def fill_matrix(rows: Numbers, terms: Numbers, weights: Any, num_texts: int) -> Matrix:
    """Signed feature hashing (Weinberger et al. 2009), square roots of counts."""
    size = len(weights)
    signs = np.where(terms >> np.uint64(63), 1.0, -1.0)
    places = rows * size + _columns(terms, size)
    flat = np.bincount(places, weights=signs, minlength=num_texts * size).astype(np.float32)
    matrix = (np.sign(flat) * np.sqrt(np.abs(flat))).reshape(num_texts, size) * weights
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    filled: Matrix = matrix / np.maximum(norms * np.float32(2**0.5), np.float32(1e-6))
    return filled


def _columns(terms: Numbers, size: int) -> Numbers:
    return (terms % np.uint64(size)).astype(np.int64)


def hash_terms(texts: Sequence[str]) -> tuple[Numbers, Numbers]:
    """Each word and each pair of words: the text it stands in, and its hash."""
    words = hash_words(texts)
    starts = words.text_starts
    pairs, bounds = drop_nothing(hash_sequences(words.hashes, starts, 2), starts)
    rows = [np.repeat(np.arange(len(texts)), np.diff(one)) for one in (starts, bounds)]
    return np.concatenate(rows), np.concatenate([words.hashes, pairs])


def _find_pieces(texts: Sequence[str]) -> tuple[Numbers, Numbers]:
    """Each run of three and of four characters of the words, with the spaces between them."""
    plain = [f" {' '.join(_WORD.findall(text.lower()))} " for text in texts]
    codes = np.frombuffer("".join(plain).encode("utf-32-le", "surrogatepass"), np.uint32)
    hashes = mix(codes.astype(np.uint64) + np.uint64(1))
    starts = np.fromiter(chain([0], np.cumsum([len(one) for one in plain])), np.int64)
    found = [drop_nothing(hash_sequences(hashes, starts, length), starts) for length in _PIECES]
    rows = [np.repeat(np.arange(len(texts)), np.diff(bounds)) for _, bounds in found]
    return np.concatenate(rows), np.concatenate([terms for terms, _ in found])


@dataclass(frozen=True)
class Classifier:
    """Weights of shape (dimensions, classes); a score is about the share of a class near a text."""

    weights: Any
    means: Any

    def score(self, matrix: Matrix) -> Matrix:
        """Float32 (rows, classes), mostly from 0 to 1, for rows that it was not fitted to."""
        scores: Matrix = self.means + matrix @ self.weights
        return scores


def fit_classifier(
    matrix: Matrix, classes: Numbers, num_classes: int, *, ridge: float = RIDGE
) -> tuple[Classifier, Matrix]:
    """The classifier, and what each row gets from a fit without it.

    The means of the classes are those of all rows; all else is exact.

    Args:
        classes: int64 (rows,), from 0.

    Returns:
        The classifier of all rows; float32 (rows, classes).
    """
    targets = np.eye(num_classes, dtype=np.float32)[classes]
    means = targets.mean(axis=0)
    kernel = matrix @ matrix.T
    kernel[np.diag_indices_from(kernel)] += ridge
    inverse = np.linalg.inv(kernel)
    duals = inverse @ (targets - means)
    left_out: Matrix = targets - duals / np.diag(inverse)[:, None]
    return Classifier(matrix.T @ duals, means), left_out
