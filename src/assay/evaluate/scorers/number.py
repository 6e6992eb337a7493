"""Scores an answer by the number that it ends in, as word problems are; it reads no reasoning."""

from __future__ import annotations

import re
from decimal import Decimal

from assay.evaluate.items import Item, Score, reference_text, unscored, yes_no
from assay.evaluate.scorers.text import strip_reasoning

MARK = "####"
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def score_number(output: str, item: Item) -> Score:
    """Right when output and gold answer end in the same number (see `find_number`)."""
    gold = find_number(reference_text(item))
    if gold is None:
        return unscored("number", "the reference has no number")
    said = find_number(strip_reasoning(output))
    return yes_no("number", said == gold, said=None if said is None else str(said))


def find_number(text: str) -> Decimal | None:
    """The first number after the last ``####``, else the last number; None where there is none.

    The mark is that of GSM8K (Cobbe et al. 2021). A model that was never shown it is judged by its
    last number, so that it is not wrong for that alone.
    """
    _, mark, after = text.rpartition(MARK)
    numbers = _NUMBER.findall(after)
    if not numbers:
        return None
    return Decimal(numbers[0 if mark else -1].replace(",", ""))
