"""Which prompts are alike, once some of their words are left out."""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.data.curate.tokens import Ints, Tokens

Floats = np.ndarray[Any, np.dtype[np.float32]]
_DIMS = 256
_USUAL_ROWS = 500
_LEAST = 0.01
_MIX = np.uint64(0xD6E8FEB86659FD93)


class PromptVectors:
    """Words of prompts, weighted by rarity, in vectors of 256 random signs and places.

    Attributes:
        pool: the rows that others are compared with, at most as many as asked for, evenly spaced.
        counts: rows that have each token, shape (tokens,).
    """

    def __init__(self, tokens: Tokens, num_tokens: int, *, pool_rows: int) -> None:
        num_rows = len(tokens.starts) - 1
        self._tokens = tokens
        self.counts = _count_rows(tokens, num_tokens)
        weights = np.log((num_rows + 1) / (self.counts + 1.0)).astype(np.float32)
        hashed = (np.arange(num_tokens, dtype=np.uint64) + np.uint64(1)) * _MIX
        signs = np.where(hashed >> np.uint64(63), -1, 1)
        self._rarities = weights
        self._weights = (weights * signs).astype(np.float32)
        self._dims = ((hashed >> np.uint64(40)) % np.uint64(_DIMS)).astype(np.int64)
        step = max(num_rows / max(pool_rows, 1), 1.0)
        self.pool: Ints = np.unique((np.arange(0, num_rows, step)).astype(np.int64))
        nothing = np.zeros(0, np.int64)
        self._pool_vectors = self.build(self.pool, nothing)
        usual = self.pool[:: max(1, len(self.pool) // _USUAL_ROWS)]
        self._usual = np.sort(self._measure_content(usual, nothing))

    def tokens_of(self, row: int) -> Ints:
        """The different tokens of a row, ascending."""
        return np.unique(self._tokens.of_row(row))

    def build(self, rows: Ints, without: Ints) -> Floats:
        """Unit vectors of `rows` without some tokens, (rows, 256); zero where none is left."""
        parts = [self.tokens_of(int(row)) for row in rows]
        ids = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        places = np.repeat(np.arange(len(rows)), [len(part) for part in parts])
        kept = ~np.isin(ids, without)
        ids, places = ids[kept], places[kept]
        flat = np.bincount(
            places * _DIMS + self._dims[ids], self._weights[ids], minlength=len(rows) * _DIMS
        )
        vectors = flat.reshape(-1, _DIMS).astype(np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-6), np.float32)

    def _measure_content(self, rows: Ints, without: Ints) -> Floats:
        """The rarity of the two rarest tokens that each row has left."""
        content = np.zeros(len(rows), np.float32)
        for index, row in enumerate(rows):
            ids = self.tokens_of(int(row))
            left = self._rarities[ids[~np.isin(ids, without)]]
            content[index] = np.sort(left)[-2:].sum()
        return content

    def compute_completeness(self, rows: Ints, without: Ints) -> float:
        """How whole prompts are without some tokens: 0.5 as others, 0 where all content is gone.

        The chance that one of `rows` has rarer words left than a row of the pool has (the
        statistic of Mann and Whitney, divided by its greatest value).
        """
        content = self._measure_content(rows, without)
        below = np.searchsorted(self._usual, content, "left")
        upto = np.searchsorted(self._usual, content, "right")
        return float((below + upto).mean() / (2 * len(self._usual)))

    def compute_cohesion(self, rows: Ints, without: Ints) -> float:
        """Mean cosine of two of `rows`, over that with a row of the pool; about 1 where unrelated.

        Both are raised by a little, so that nothing shared at all is 1, too.
        """
        vectors = self.build(rows, without)
        num = len(rows)
        within = (float((vectors @ vectors.T).sum()) - num) / max(num * (num - 1), 1)
        between = float((vectors @ self._pool_vectors.T).mean())
        return (max(within, 0.0) + _LEAST) / (max(between, 0.0) + _LEAST)

    def find_neighbours(
        self, queries: Ints, own: Ints, without: Ints, *, num_neighbours: int
    ) -> tuple[Ints, Floats]:
        """The rows most like each of `queries`, of the pool and `own`, and how alike they are.

        Args:
            queries: some of `own`.
            own: rows that are compared without the tokens `without`; those of the pool have all.

        Returns:
            Rows and cosine similarities, each of shape (queries, num_neighbours), best first.
        """
        others = ~np.isin(self.pool, own)
        candidates = np.concatenate([self.pool[others], own])
        vectors = np.concatenate([self._pool_vectors[others], self.build(own, without)])
        alike = self.build(queries, without) @ vectors.T
        alike[candidates[None, :] == queries[:, None]] = -1.0
        best = np.argsort(-alike, axis=1, kind="stable")[:, :num_neighbours]
        return candidates[best], np.take_along_axis(alike, best, axis=1)


def _count_rows(tokens: Tokens, num_tokens: int) -> Ints:
    """Rows that have each token, int64 (tokens,)."""
    counts = np.zeros(num_tokens, np.int64)
    for _, ids, rows in tokens.chunks():
        pairs = np.unique(rows.astype(np.int64) * num_tokens + ids)
        np.add.at(counts, pairs % max(num_tokens, 1), 1)
    return counts
