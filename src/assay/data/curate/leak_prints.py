"""What of a row tells that it was seen before, as numbers alone: no text can be read out of them.

Sequences of 8 words tell what was copied, those of 3 words of the question what was asked almost
the same. Both are exact; a few of the longer ones (`choose_prints`) are enough to find each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from assay.data.curate.alike import split_sequences
from assay.data.curate.batch import SPOKEN, Batch, CheckedRow
from assay.data.curate.words import Numbers, choose_prints, hash_sequences

LONG, SHORT = 8, 3
# With sequences of 8 words, copies of 13 words share a print.
WINDOW = 6
# What is asked in fewer words says too little by itself.
MIN_ASKED_WORDS = 8


class Asked(NamedTuple):
    """Words of what users say in each row; of all that is said, where that is too little.

    `starts` is int64 (rows + 1,); `num_words` (rows,) counts the words of the last user turn, or
    of a row without one.
    """

    hashes: Numbers
    starts: Numbers
    num_words: Numbers


class RowPrint(NamedTuple):
    """One row as numbers, each array a set of uint64 in order.

    `asked` are the short sequences of what is asked, `copied` the long ones of all that is said,
    `question` the long ones of the last user turn (of all, where there is none), which has
    `num_words` words.
    """

    asked: Numbers
    copied: Numbers
    question: Numbers
    num_words: int


def find_asked(batch: Batch) -> Asked:
    """What is asked in each row of a batch."""
    texts, words, row_starts = batch.spoken
    num_rows = len(batch.rows)
    is_user = np.fromiter((text.role == "user" for text in texts), bool, len(texts))
    row_of = np.repeat(np.arange(num_rows), np.diff(row_starts))
    by_user = np.repeat(is_user, np.diff(words.text_starts))
    num_asked = np.bincount(row_of[by_user], minlength=num_rows)
    is_kept = by_user | (num_asked < MIN_ASKED_WORDS)[row_of]
    counts = np.bincount(row_of[is_kept], minlength=num_rows)
    first, last = _find_questions(batch)
    num_words = words.text_starts[last] - words.text_starts[first]
    return Asked(words.hashes[is_kept], np.append(0, np.cumsum(counts)), num_words)


def _find_questions(batch: Batch) -> tuple[Numbers, Numbers]:
    """For each row the first and the last + 1 of its texts that are its question."""
    texts, _, _ = batch.spoken
    numbers = np.fromiter((text.row.number for text in texts), np.int64, len(texts))
    own = np.fromiter((row.number for row in batch.rows), np.int64, len(batch.rows))
    first = np.searchsorted(numbers, own)
    last = np.searchsorted(numbers, own, side="right")
    places = {number: place for place, number in enumerate(own.tolist())}
    for place, text in enumerate(texts):
        if text.role == "user":
            row = places[text.row.number]
            first[row], last[row] = place, place + 1
    return first, last


def print_batch(batch: Batch) -> tuple[Numbers, Numbers, Numbers]:
    """The prints of each row: uint32 (prints,), the place of its row in the batch, and the place
    in `SPOKEN` of the role that says it."""
    texts, words, starts = batch.spoken
    sequences = hash_sequences(words.hashes, starts, LONG)
    is_chosen = choose_prints(sequences, WINDOW)
    row_of = np.repeat(np.arange(len(batch.rows)), np.diff(starts))
    roles = np.fromiter((SPOKEN.index(text.role) for text in texts), np.uint8, len(texts))
    role_of = np.repeat(roles, np.diff(words.text_starts))
    chosen = (sequences[is_chosen] >> np.uint64(32)).astype(np.uint32)
    return chosen, row_of[is_chosen].astype(np.int32), role_of[is_chosen]


def print_rows(rows: Sequence[CheckedRow]) -> list[RowPrint]:
    """Each row as numbers."""
    batch = Batch(list(rows))
    _, words, starts = batch.spoken
    asked = find_asked(batch)
    short = hash_sequences(asked.hashes, asked.starts, SHORT)
    long = hash_sequences(words.hashes, starts, LONG)
    first, last = _find_questions(batch)
    within = hash_sequences(words.hashes, words.text_starts, LONG)
    questions = [
        np.unique(within[words.text_starts[a] : words.text_starts[b]])
        for a, b in zip(first, last, strict=True)
    ]
    nothing = np.iinfo(np.uint64).max
    return [
        RowPrint(one, two, three[three != nothing], int(count))
        for one, two, three, count in zip(
            split_sequences(short, asked.starts),
            split_sequences(long, starts),
            questions,
            asked.num_words,
            strict=True,
        )
    ]


def count_common(num_rows: int) -> float:
    """In how many of so many rows something stands that is a manner of speaking, not a leak.

    5 rows of 100 or fewer, 50 of 1,000 to 10,000, half a percent of more.
    """
    return max(5.0, min(50.0, 0.05 * num_rows), 0.005 * num_rows)
