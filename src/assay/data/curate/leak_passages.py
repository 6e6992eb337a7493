"""Passages that a training row shares with another row: who says them, how long, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from assay.data.curate.alike import find_members
from assay.data.curate.batch import Batch, CheckedRow, Text
from assay.data.curate.finding import Span, shorten
from assay.data.curate.leak_prints import LONG, RowPrint
from assay.data.curate.words import Numbers, Words, hash_sequences


class Kind(NamedTuple):
    """What sort of a passage: the role of who says it in the training row, and whether it stands
    in the other row's question.

    What is usual in one kind is not in another: customers begin alike, and no answer does so.
    """

    role: str
    is_question: bool


class Passage(NamedTuple):
    """Words that stand in another row too, and where.

    `num_telling` counts them as if what is common stood aside: `LONG` - 1 more than the sequences
    of `LONG` words that are no template's.
    """

    num_words: int
    num_telling: int
    kind: Kind
    span: Span


class PassageRow(NamedTuple):
    """A row whose passages are looked for: its texts and their words, and from each word the hash
    of the next `LONG` in its text and whether they are no template's."""

    texts: list[Text]
    words: Words
    sequences: Numbers
    is_telling: Numbers


class PassageSearch(NamedTuple):
    """What counts as a passage: so many words and characters, apart from what is common in texts
    of the same role."""

    template: Mapping[str, Numbers]
    min_words: int
    min_characters: int

    def read(self, row: CheckedRow) -> PassageRow:
        """A row as its passages are looked for."""
        texts, words, _ = Batch([row]).spoken
        sequences = hash_sequences(words.hashes, words.text_starts, LONG)
        return PassageRow(texts, words, sequences, self._find_telling(texts, words, sequences))

    def _find_telling(self, texts: list[Text], words: Words, sequences: Numbers) -> Numbers:
        is_telling = np.ones(len(sequences), bool)
        for text, (start, end) in zip(texts, pairwise(words.text_starts), strict=True):
            if text.role in self.template:
                own = find_members(sequences[start:end], self.template[text.role])
                is_telling[start:end] = ~own
        return is_telling

    def find(self, row: PassageRow, other: RowPrint) -> Iterator[Passage]:
        """All passages of a row that the other one has, in the order of the row.

        What is common may stand within a passage, but neither begins nor ends it.
        """
        is_shared = find_members(row.sequences, other.copied)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], is_shared.astype(np.int8), [0]])))
        for start, end in edges.reshape(-1, 2).tolist():
            telling = np.flatnonzero(row.is_telling[start:end]) + start
            if len(telling) + LONG - 1 >= self.min_words:
                yield from self._locate(row, other, telling)

    def _locate(self, row: PassageRow, other: RowPrint, telling: Numbers) -> Iterator[Passage]:
        first, last = int(telling[0]), int(telling[-1]) + LONG - 1
        start, end = int(row.words.starts[first]), int(row.words.ends[last])
        if end - start < self.min_characters:
            return
        place = int(np.searchsorted(row.words.text_starts, first, side="right")) - 1
        text = row.texts[place]
        kind = Kind(
            text.role, bool(find_members(row.sequences[first : first + 1], other.question)[0])
        )
        span = Span(text.path, start, end, shorten(text.text[start:end]))
        yield Passage(last - first + 1, len(telling) + LONG - 1, kind, span)
