"""Whether two answers to one question contradict each other; it knows no row and no rule.

Only what can be told from the answers themselves counts: other calls, other fields, other labels of
a closed set, yes against no, another result, one word changed that changes the meaning.
"""

from __future__ import annotations

from collections.abc import Container

from assay.data.curate.answer_texts import compare_texts
from assay.data.curate.answer_values import compare_calls, compare_values, oppose
from assay.data.curate.answers import Answer
from assay.data.curate.finding import shorten


def tell_contradiction(
    one: Answer, other: Answer, *, labels: Container[str] = (), is_settled: bool = False
) -> str | None:
    """How two answers to the same question contradict each other, in words, or None.

    Args:
        labels: the closed set of short answers that the data have, if any.
        is_settled: in these data a question has one answer, so that two which share hardly a word
            cannot both be right.
    """
    if one.calls or other.calls:
        return compare_calls(one.calls, other.calls)
    if one.fields is not None and other.fields is not None:
        return compare_values(one.fields, other.fields, "")
    if one.label in labels and other.label in labels:
        return oppose(one.label, other.label) if one.label != other.label else None
    if None not in (one.is_yes, other.is_yes) and one.is_yes != other.is_yes:
        return oppose(*(shorten(answer.text, limit=40) for answer in (one, other)))
    if one.result is not None and other.result is not None:
        differ = abs(one.result - other.result) > 1e-6 * max(1.0, abs(one.result))
        return oppose(f"{one.result:g}", f"{other.result:g}") if differ else None
    if one.text == other.text:
        return None
    return compare_texts(one, other, is_settled=is_settled)
