"""Which rows have which features, counted in several passes so that little is held at a time.

A feature is a number below 2**48. The first pass counts hashed features of each chunk of rows in a
table, and the next ones look only at those that enough rows may have, by their exact counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[Any]]
Chunks = Callable[[], Iterator[tuple[int, Ints, Ints]]]
"""Chunks of rows: the first row, codes of features, and the row of each, from 0 to below 2**16."""
Limit = Callable[[Ints], Ints | int]
CODE_BITS = 48
_MASK = np.int64((1 << CODE_BITS) - 1)
_BUCKET_BITS = 24
_PENDING = 1 << 20
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Features:
    """Binary features of rows; those of equal rows are one, with several codes.

    Attributes:
        starts: int64 (features + 1,); rows of a feature are ``row_of[starts[i]:starts[i + 1]]``.
        row_of: int32, ascending for each feature.
        feature_of: int32, the features of each row; empty where they were not asked for.
        row_starts: int64 (rows + 1,).
        codes: of each feature, from ``code_starts[i]`` on.
    """

    starts: Ints
    row_of: Ints
    feature_of: Ints
    row_starts: Ints
    codes: Ints
    code_starts: Ints

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> Ints:
        """Rows that have each feature."""
        return np.diff(self.starts)

    def rows(self, feature: int) -> Ints:
        """Rows that have a feature, ascending."""
        return self.row_of[self.starts[feature] : self.starts[feature + 1]]

    def codes_of(self, feature: int) -> list[int]:
        """Codes of a feature, ascending."""
        own = self.codes[self.code_starts[feature] : self.code_starts[feature + 1]]
        return [int(code) for code in own]

    def of_rows(self, rows: Ints) -> Ints:
        """The features of several rows, end to end."""
        parts = [self.feature_of[self.row_starts[one] : self.row_starts[one + 1]] for one in rows]
        return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def collect_features(
    chunks: Chunks, num_rows: int, *, least: int, limit: Limit, by_row: bool = True
) -> Features:
    """The features that `least` rows or more have, and fewer than `limit` of their codes."""
    known = _find_frequent(chunks, least)
    counts, sums = _count(chunks, known, num_rows)
    wanted = np.flatnonzero((counts >= least) & (counts < limit(known)))
    # Features of the same rows have the same sum of a random number of each row.
    _, firsts, groups = np.unique(sums[wanted], return_index=True, return_inverse=True)
    feature_at = np.full(len(known), -1, np.int32)
    feature_at[wanted[firsts]] = np.arange(len(firsts), dtype=np.int32)
    order = np.argsort(groups, kind="stable")
    code_starts = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=len(firsts)))])
    starts = np.concatenate([[0], np.cumsum(counts[wanted[firsts]])]).astype(np.int64)
    filled = _fill(chunks, known, feature_at, starts, num_rows, by_row=by_row)
    return Features(starts, *filled, known[wanted[order]], code_starts)


def _find_frequent(chunks: Chunks, least: int) -> Ints:
    """Codes, ascending, that so many rows may have; a few that fewer have are among them."""
    table = np.zeros(1 << _BUCKET_BITS, np.int32)
    for _, codes, rows in chunks():
        np.add.at(table, _hash(_drop_twice(codes, rows)[0]), 1)
    known, pending = np.zeros(0, np.int64), [np.zeros(0, np.int64)]
    for _, codes, _ in chunks():
        pending.append(np.unique(codes[table[_hash(codes)] >= least]))
        if sum(map(len, pending)) > _PENDING:
            known, pending = np.unique(np.concatenate([known, *pending])), []
    return np.unique(np.concatenate([known, *pending]))


def _hash(codes: Ints) -> Ints:
    mixed = codes.astype(np.uint64) * _MIX
    return (mixed >> np.uint64(64 - _BUCKET_BITS)).view(np.int64)


def _drop_twice(codes: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Each code of a row once, by rows."""
    pairs = np.unique(rows.astype(np.int64) << CODE_BITS | codes)
    return pairs & _MASK, pairs >> CODE_BITS


def _look_up(chunks: Chunks, known: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Of each chunk the places in `known` and the rows, by rows, once each."""
    for first, codes, rows in chunks():
        places = np.searchsorted(known, codes)
        places[places == len(known)] = 0
        found = known[places] == codes if len(known) else np.zeros(len(codes), np.bool_)
        places, own = _drop_twice(places[found], rows[found])
        yield places, own + first


def _count(chunks: Chunks, known: Ints, num_rows: int) -> tuple[Ints, Ints]:
    counts, sums = np.zeros(len(known), np.int64), np.zeros(len(known), np.uint64)
    salts = np.random.default_rng(0).integers(0, 1 << 62, num_rows, dtype=np.uint64)
    for places, rows in _look_up(chunks, known):
        np.add.at(counts, places, 1)
        np.add.at(sums, places, salts[rows])
    return counts, sums


def _fill(
    chunks: Chunks, known: Ints, feature_at: Ints, starts: Ints, num_rows: int, *, by_row: bool
) -> tuple[Ints, Ints, Ints]:
    """`row_of`, `feature_of` and `row_starts` of `Features`."""
    row_of = np.zeros(starts[-1], np.int32)
    feature_of = np.zeros(starts[-1] if by_row else 0, np.int32)
    lengths = np.zeros(num_rows, np.int64)
    cursor, end = starts[:-1].copy(), 0
    for places, rows in _look_up(chunks, known):
        features = feature_at[places]
        features, rows = features[features >= 0], rows[features >= 0]
        if by_row:
            feature_of[end : end + len(features)] = features
            end += len(features)
        np.add.at(lengths, rows, 1)
        order = np.argsort(features, kind="stable")
        own, firsts, counts = np.unique(features[order], return_index=True, return_counts=True)
        ranks = np.arange(len(order)) - np.repeat(firsts, counts)
        row_of[np.repeat(cursor[own], counts) + ranks] = rows[order]
        cursor[own] += counts
    return row_of, feature_of, np.concatenate([[0], np.cumsum(lengths)])
