"""Scores of answers that name one label, and the table per class; it knows no label beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from assay.evaluate.items import Item, Score, reference_texts, unscored, yes_no
from assay.evaluate.scorers.text import normalise, strip_reasoning

OTHER = "(other)"
"""Stands in the confusion list for every answer that is no label of the references."""


@dataclass(frozen=True)
class ClassRow:
    """One label: `precision`, `recall`, `f1` in [0, 1] (0 where undefined) and `support` items."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Confusion:
    """`count` items of label `reference` were answered with `predicted`, another label."""

    reference: str
    predicted: str
    count: int


@dataclass(frozen=True)
class ClassTable:
    """Accuracy and unweighted mean F1 in [0, 1]; rows by label; confusions, most frequent first."""

    n: int
    accuracy: float
    macro_f1: float
    rows: list[ClassRow]
    confusions: list[Confusion]


def normalise_label(text: str) -> str:
    """A label without case, outer quotes and end punctuation; nothing is searched for in prose."""
    return normalise(text).strip(" \"'`*.,;:!")


def score_classification(output: str, item: Item) -> Score:
    """Right when the whole answer is the gold label (see `normalise_label`)."""
    references = reference_texts(item)
    if not references:
        return unscored("classification", "the item has no label")
    labels = [normalise_label(text) for text in references]
    predicted = normalise_label(strip_reasoning(output))
    correct = predicted in labels
    # An alternative spelling counts as the first, so that a label's support is the same everywhere.
    predicted = labels[0] if correct else predicted
    return yes_no("classification", correct, label=labels[0], predicted=predicted)


def build_class_table(scores: Sequence[Score]) -> ClassTable:
    """The table of the scored classification items of one model; labels come from the references.

    An answer outside the label set counts against its label's recall and, being no label, against
    nobody's precision.
    """
    pairs = [(str(s.detail["label"]), str(s.detail["predicted"])) for s in scores if s.scored]
    labels = sorted({label for label, _ in pairs})
    pairs = [(label, said if said in labels else OTHER) for label, said in pairs]
    rows = [_row(label, pairs) for label in labels]
    wrong = Counter(pair for pair in pairs if pair[0] != pair[1])
    num_right = len(pairs) - wrong.total()
    return ClassTable(
        n=len(pairs),
        accuracy=num_right / len(pairs) if pairs else 0.0,
        macro_f1=sum(row.f1 for row in rows) / len(rows) if rows else 0.0,
        rows=rows,
        confusions=[Confusion(*pair, n) for pair, n in sorted(wrong.items(), key=_by_count)],
    )


def _row(label: str, pairs: Sequence[tuple[str, str]]) -> ClassRow:
    support = sum(gold == label for gold, _ in pairs)
    num_predicted = sum(said == label for _, said in pairs)
    num_right = sum(gold == said == label for gold, said in pairs)
    return ClassRow(
        label=label,
        precision=num_right / num_predicted if num_predicted else 0.0,
        recall=num_right / support,
        f1=2 * num_right / (num_predicted + support),
        support=support,
    )


def _by_count(entry: tuple[tuple[str, str], int]) -> tuple[int, tuple[str, str]]:
    return -entry[1], entry[0]
