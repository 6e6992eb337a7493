"""What a training row has of a held-out one: the same question, almost the same, or some of it.

It compares sequences of words, apart from the frame that many training rows have; which passages
they are, `leak_passages` finds.
"""

from __future__ import annotations

from dataclasses import dataclass

from assay.data.curate.alike import find_members, leave_out
from assay.data.curate.leak_prints import LONG, RowPrint
from assay.data.curate.leak_template import Template

# A question of which so much stands in a row was most likely taken from there.
_MOSTLY = 0.8
# A shorter question stands within another by chance, or as its usual beginning.
_CERTAIN_WORDS = 25


@dataclass(frozen=True)
class Judge:
    """Limits of the rules, as their options have them."""

    template: Template
    question_words: int
    near: float
    threshold: float

    def rank(self, row: RowPrint, held: RowPrint) -> tuple[int, float, str]:
        """How plain a leak is (3 leaked, 2 near, 1 some of it, 0 none), how much, in words."""
        coverage, num_long = self._measure_coverage(row, held)
        is_certain = num_long > _CERTAIN_WORDS - LONG
        is_telling = is_certain or self._is_telling(held)
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
        num_shared = int(find_members(row.copied, held.copied).sum())
        return (1, float(num_shared), "") if num_shared else (0, 0.0, "")

    def _measure_coverage(self, row: RowPrint, held: RowPrint) -> tuple[float, int]:
        """The share of a held-out question's sequences that a row has, and how many it has in all.

        The frame of what they share is left out, which can only lower the share.
        """
        question = held.question
        shared = question[find_members(question, row.copied)]
        if len(shared) < _MOSTLY * len(question):
            return 0.0, 0
        num_frame = len(self.template.copied.find(shared))
        num_own = len(question) - num_frame
        return (len(shared) - num_frame) / max(1, num_own), num_own

    def _is_telling(self, held: RowPrint) -> bool:
        """Whether a short question holds enough that is not common by itself."""
        own = leave_out(held.question, self.template.copied.common)
        return len(own) > self.question_words - LONG

    def _asks_no_more(self, row: RowPrint, held: RowPrint) -> bool:
        """Whether what is asked in a row is that of the held-out one, the template counted too."""
        shared = int(find_members(row.asked, held.asked).sum())
        return shared >= self.near * max(len(row.asked), len(held.asked))

    def _measure_asked(self, row: RowPrint, held: RowPrint) -> tuple[float, int]:
        """Jaccard's index of what is asked apart from the frame of both, and how much there is."""
        shared = row.asked[find_members(row.asked, held.asked)]
        num_shared = len(shared)
        together = len(row.asked) + len(held.asked) - num_shared
        if num_shared >= min(self.near, self.threshold) * together:
            num_frame = len(self.template.asked.find(shared))
            num_shared, together = num_shared - num_frame, together - num_frame
        return (num_shared / together if together else 0.0), together
