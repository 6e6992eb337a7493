"""How alike rows are: the share of word sequences that they have in common, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

import numpy as np

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Evidence
from assay.data.curate.words import Numbers, drop_nothing, hash_sequences

SAMPLE_ROWS = 4_000
_ROWS_AT_ONCE = 2_000
_SEED = 20


def split_sequences(sequences: Numbers, starts: Numbers) -> list[Numbers]:
    """The set of each group's sequences, in order, without what reaches over its end."""
    kept, bounds = drop_nothing(sequences, starts)
    return [np.unique(kept[a:b]) for a, b in pairwise(bounds)]


def list_sequences(rows: Sequence[CheckedRow], length: int) -> list[Numbers]:
    """For each row the set of its sequences of `length` words."""
    _, words, starts = Batch(list(rows)).spoken
    return split_sequences(hash_sequences(words.hashes, starts, length), starts)


def measure_likeness(first: Numbers, second: Numbers) -> float:
    """Jaccard's index of two sets of sequences, from 0 to 1."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / max(1, len(first) + len(second) - shared)


def find_members(values: Numbers, known: Numbers) -> Numbers:
    """Bool (values,): whether each is one of the known ones, which stand in order."""
    if not len(known):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    is_known: Numbers = known[at] == values
    return is_known


def leave_out(values: Numbers, known: Numbers) -> Numbers:
    """The values that are none of the known ones, which stand in order."""
    return values[~find_members(values, known)]


def sample_rows(evidence: Evidence, numbers: Numbers) -> Iterator[list[CheckedRow]]:
    """At most `SAMPLE_ROWS` of the rows, drawn with a fixed seed, some at a time."""
    sample = numbers
    if len(numbers) > SAMPLE_ROWS:
        chosen = np.random.default_rng(_SEED).choice(len(numbers), SAMPLE_ROWS, replace=False)
        sample = numbers[np.sort(chosen)]
    return read_rows(evidence, sample)


def find_common(sets: Sequence[Numbers], min_share: float) -> Numbers:
    """What stands in at least this share of the sets, in order."""
    if not sets:
        return np.empty(0, np.uint64)
    values, counts = np.unique(np.concatenate(sets), return_counts=True)
    common: Numbers = values[counts >= min_share * len(sets)]
    return common


def read_rows(evidence: Evidence, numbers: Iterable[int]) -> Iterator[list[CheckedRow]]:
    """Single rows, some at a time, in the order of `numbers`."""
    wanted = iter(numbers)
    while chunk := [int(one) for one in islice(wanted, _ROWS_AT_ONCE)]:
        found = evidence.rows(chunk)
        yield [found[number] for number in chunk]
