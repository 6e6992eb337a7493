"""Mixes the training rows of several sources by weight, seeded; knows no file and no format.

A source of n training rows with weight w stands for `round(w * n)` rows: floor(w) whole copies, and
of the rest a sample. Weights are multiples, not shares: those of other sources change nothing, and
1 leaves a source as it is. Validation and test are split off before: they keep every row, and keep
it once, because fewer items or repeated ones would make intervals too wide or too narrow.

Which rows are sampled depends on SHA-256(seed, source, row id) alone, not on the rows' order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import floor

from assay.data.records import Record


def mix_sources(records: Sequence[Record], *, seed: int) -> list[Record]:
    """Training records with each source repeated or thinned by its weight, sources interleaved.

    The k-th of a source's m rows takes position (k + 1/2) / m, so every stretch of the result
    holds each source in its share. One source of weight 1 comes back as it is.
    """
    placed: list[tuple[float, int, int, Record]] = []
    for number, indices in enumerate(_by_source(records).values()):
        rows = _repeat(records, indices, seed)
        placed += [((k + 0.5) / len(rows), number, k, row) for k, row in enumerate(rows)]
    return [record for *_, record in sorted(placed, key=lambda item: item[:3])]


def _repeat(records: Sequence[Record], indices: list[int], seed: int) -> list[Record]:
    weight = records[indices[0]].weight
    copies = floor(weight)
    rest = _round(weight * len(indices)) - copies * len(indices)
    sampled = sorted(_sample(records, indices, rest, seed))
    return [records[index] for index in [*(indices * copies), *sampled]]


def _by_source(records: Sequence[Record]) -> dict[str, list[int]]:
    sources: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        sources.setdefault(record.source, []).append(index)
    return sources


def _sample(records: Sequence[Record], indices: list[int], count: int, seed: int) -> list[int]:
    """`count` of `indices`, those with the lowest hashes."""
    return sorted(indices, key=lambda index: _hash(records[index], seed))[:count]


def _hash(record: Record, seed: int) -> str:
    return hashlib.sha256(f"{seed}\n{record.source}\n{record.id}".encode()).hexdigest()


def _round(value: float) -> int:
    return floor(value + 0.5)
