"""What a training row has of a held-out one: the same question, almost the same, or a passage.

It compares sequences of words, apart from those that are common among training rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from assay.data.curate.alike import find_common, sample_rows
from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Evidence
from assay.data.curate.finding import Span, shorten
from assay.data.curate.leak_prints import LONG, RowPrint, count_common, print_rows
from assay.data.curate.words import Numbers, hash_sequences

# A question of which so much stands in a row was most likely taken from there.
_MOSTLY = 0.8
# A shorter question stands within another by chance, or as its usual beginning.
_CERTAIN_WORDS = 25


class Template(NamedTuple):
    """Sequences that are common among training rows: short ones of what is asked, and long ones."""

    short: Numbers
    long: Numbers


def find_template(evidence: Evidence, numbers: Numbers) -> Template:
    """What is common among training rows, counted in a sample of them."""
    prints = [one for rows in sample_rows(evidence, numbers) for one in print_rows(rows)]
    share = count_common(len(numbers)) / max(1, len(numbers))
    # Strictly more, so that what five rows of a few share is still looked at.
    share += 0.5 / max(1, len(prints))
    return Template(
        find_common([one.asked for one in prints], share),
        find_common([one.copied for one in prints], share),
    )


@dataclass(frozen=True)
class Judge:
    """Limits of the rules, as their options have them."""

    template: Template
    question_words: int
    near: float
    threshold: float
    passage_words: int
    passage_characters: int

    def rank(self, row: RowPrint, held: RowPrint) -> tuple[int, float, str]:
        """How plain a leak is (3 leaked, 2 near, 1 a passage, 0 none), how much, in words."""
        question = np.setdiff1d(held.question, self.template.long, assume_unique=True)
        covered = len(np.intersect1d(question, row.copied, assume_unique=True))
        coverage = covered / max(1, len(question))
        is_telling = len(question) > self.question_words - LONG
        is_certain = len(question) > _CERTAIN_WORDS - LONG
        if coverage == 1 and (is_certain or (is_telling and self._asks_no_more(row, held))):
            return 3, 1.0, "it holds the whole question of"
        likeness, num_own = self._measure_asked(row, held)
        asked = f"{likeness:.0%} of the 3-word sequences asked stand in both it and"
        if likeness >= self.near and num_own >= self.question_words:
            return 3, likeness, asked
        if likeness >= self.threshold:
            return 2, likeness, asked
        if is_telling and coverage >= _MOSTLY:
            much = "the whole" if coverage == 1 else f"{coverage:.0%} of the"
            return 2, coverage, f"it holds {much} question of"
        shared = np.intersect1d(row.copied, held.copied, assume_unique=True)
        num_shared = len(np.setdiff1d(shared, self.template.long, assume_unique=True))
        return (1, float(num_shared), "") if num_shared else (0, 0.0, "")

    def _asks_no_more(self, row: RowPrint, held: RowPrint) -> bool:
        """Whether what is asked in a row is that of the held-out one, the template counted too."""
        shared = len(np.intersect1d(row.asked, held.asked, assume_unique=True))
        return shared >= self.near * max(len(row.asked), len(held.asked))

    def _measure_asked(self, row: RowPrint, held: RowPrint) -> tuple[float, int]:
        """Jaccard's index of what is asked apart from the template, and how much of it there is."""
        own, other = (
            np.setdiff1d(one.asked, self.template.short, assume_unique=True) for one in (row, held)
        )
        shared = len(np.intersect1d(own, other, assume_unique=True))
        together = len(own) + len(other) - shared
        return (shared / together if together else 0.0), together

    def find_passage(self, row: CheckedRow, held: RowPrint) -> tuple[int, Span] | None:
        """The longest passage of a row that the other one has: its words, and where it stands."""
        texts, words, _ = Batch([row]).spoken
        sequences = hash_sequences(words.hashes, words.text_starts, LONG)
        wanted = np.setdiff1d(held.copied, self.template.long, assume_unique=True)
        start, length = _find_longest_run(np.isin(sequences, wanted))
        num_words = length + LONG - 1 if length else 0
        if num_words < self.passage_words:
            return None
        place = int(np.searchsorted(words.text_starts, start, side="right")) - 1
        first, last = int(words.starts[start]), int(words.ends[start + num_words - 1])
        if last - first < self.passage_characters:
            return None
        text = texts[place]
        return num_words, Span(text.path, first, last, shorten(text.text[first:last]))


def _find_longest_run(is_shared: Numbers) -> tuple[int, int]:
    """Where the longest run of true values begins, and its length; the first of several."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_shared.astype(np.int8), [0]])))
    if not len(edges):
        return 0, 0
    lengths = edges[1::2] - edges[::2]
    best = int(np.argmax(lengths))
    return int(edges[2 * best]), int(lengths[best])
