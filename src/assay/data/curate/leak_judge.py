"""What a training row has of a held-out one: the same question, almost the same, or some of it.

It compares sequences of words, apart from those that are common among training rows; which passages
they are, `leak_passages` finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from assay.data.curate.alike import find_common, find_members, leave_out, sample_rows
from assay.data.curate.detector import Evidence
from assay.data.curate.leak_prints import LONG, RowPrint, count_common, print_rows
from assay.data.curate.words import Numbers

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

    def rank(self, row: RowPrint, held: RowPrint) -> tuple[int, float, str]:
        """How plain a leak is (3 leaked, 2 near, 1 some of it, 0 none), how much, in words."""
        question = leave_out(held.question, self.template.long)
        covered = int(find_members(question, row.copied).sum())
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
        shared = row.copied[find_members(row.copied, held.copied)]
        num_shared = len(leave_out(shared, self.template.long))
        return (1, float(num_shared), "") if num_shared else (0, 0.0, "")

    def _asks_no_more(self, row: RowPrint, held: RowPrint) -> bool:
        """Whether what is asked in a row is that of the held-out one, the template counted too."""
        shared = int(find_members(row.asked, held.asked).sum())
        return shared >= self.near * max(len(row.asked), len(held.asked))

    def _measure_asked(self, row: RowPrint, held: RowPrint) -> tuple[float, int]:
        """Jaccard's index of what is asked apart from the template, and how much of it there is."""
        own, other = (leave_out(one.asked, self.template.short) for one in (row, held))
        shared = int(find_members(own, other).sum())
        together = len(own) + len(other) - shared
        return (shared / together if together else 0.0), together
