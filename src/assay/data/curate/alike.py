"""How alike rows are: the share of word sequences that they have in common, exactly.

Sequences that stand in very many rows are a template, not a likeness: what two rows share of it
counts for nothing, unless they hold nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise

import numpy as np

from assay.data.curate.batch import Batch, CheckedRow, Text
from assay.data.curate.detector import Evidence
from assay.data.curate.words import Numbers, Words, drop_nothing, hash_sequences, hash_words

SPOKEN = ("user", "assistant", "tool", "call")
_SAMPLE_ROWS = 4_000
_ROWS_AT_ONCE = 2_000
_SEED = 20


def hash_spoken(batch: Batch) -> tuple[Words, Numbers]:
    """The words of all that is said in each row, without system prompts and tools.

    Returns:
        Words of the batch's spoken texts; int64 (rows + 1,), where those of each row begin.
    """
    return hash_rows(batch, list_spoken(batch))


def list_spoken(batch: Batch) -> list[Text]:
    """The texts of `SPOKEN` roles."""
    return [text for text in batch.texts if text.role in SPOKEN]


def hash_rows(batch: Batch, texts: Sequence[Text]) -> tuple[Words, Numbers]:
    """The words of some texts of a batch, in its order, and where those of each row begin."""
    words = hash_words([text.text for text in texts])
    numbers = np.fromiter((text.row.number for text in texts), np.int64, len(texts))
    own = np.fromiter((row.number for row in batch.rows), np.int64, len(batch.rows))
    firsts = np.append(np.searchsorted(numbers, own), len(texts))
    return words, words.text_starts[firsts]


def split_sequences(sequences: Numbers, starts: Numbers) -> list[Numbers]:
    """The set of each group's sequences, in order, without what reaches over its end."""
    kept, bounds = drop_nothing(sequences, starts)
    return [np.unique(kept[a:b]) for a, b in pairwise(bounds)]


def list_sequences(rows: Sequence[CheckedRow], length: int) -> list[Numbers]:
    """For each row the set of its sequences of `length` words."""
    words, starts = hash_spoken(Batch(list(rows)))
    return split_sequences(hash_sequences(words.hashes, starts, length), starts)


def measure_likeness(first: Numbers, second: Numbers, template: Numbers) -> float:
    """Jaccard's index of two sets of sequences, from 0 to 1, apart from a template's."""
    one, other = (np.setdiff1d(own, template, assume_unique=True) for own in (first, second))
    if not len(one) or not len(other):
        one, other = first, second
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / max(1, len(one) + len(other) - shared)


def find_template(
    evidence: Evidence,
    numbers: Numbers,
    sequences_of: Callable[[Sequence[CheckedRow]], list[Numbers]],
    *,
    min_rows: float,
) -> Numbers:
    """The sequences that stand in about `min_rows` of the rows or more, in order.

    They are counted in at most `_SAMPLE_ROWS` of them, drawn with a fixed seed.
    """
    sample = numbers
    if len(numbers) > _SAMPLE_ROWS:
        chosen = np.random.default_rng(_SEED).choice(len(numbers), _SAMPLE_ROWS, replace=False)
        sample = numbers[np.sort(chosen)]
    sets = [one for rows in read_rows(evidence, sample) for one in sequences_of(rows)]
    if not sets:
        return np.empty(0, np.uint64)
    values, counts = np.unique(np.concatenate(sets), return_counts=True)
    return values[counts * len(numbers) >= min_rows * len(sample)]


def read_rows(evidence: Evidence, numbers: Iterable[int]) -> Iterator[list[CheckedRow]]:
    """Single rows, some at a time, in the order of `numbers`."""
    wanted = iter(numbers)
    while chunk := [int(one) for one in islice(wanted, _ROWS_AT_ONCE)]:
        found = evidence.rows(chunk)
        yield [found[number] for number in chunk]
