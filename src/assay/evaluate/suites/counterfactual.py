"""The user's own questions, asked of another group of people: the answers must agree.

Whoever is meant is swapped in the prompt (`swap_words`), all else stays. No gold answer is needed,
and no public set says as much of the user's own task. What the swap changes in an answer itself
("she" for "he") counts as the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assay.evaluate.items import Item, draw_sample
from assay.evaluate.scorers.agreement import AGREEMENT
from assay.evaluate.suites import Suite, build_suite
from assay.evaluate.suites.swap_words import DIMENSIONS, Dimension, list_stand_ins, swap_words

NAME = "counterfactual"
_KEPT = ("system", "developer")
"""What the operator wrote names nobody who asks."""


def build_counterfactual_suite(items: Sequence[Item], *, max_pairs: int, seed: int) -> Suite | None:
    """Pairs of a question as it is and of another group; None where no item names one.

    Items of plain text have no question, and are left out.
    """
    pairs = [pair for item in items if item.rendering != "text" and (pair := build_pair(item))]
    drawn = draw_sample(pairs, max_items=max_pairs, seed=seed)
    if not drawn:
        return None
    own = [item for pair in drawn for item in pair]
    suite = build_suite(own, name=NAME, kind="fairness", metric=AGREEMENT)
    return replace(suite, reason="the same question of another group must get the same answer")


def build_pair(item: Item) -> tuple[Item, Item] | None:
    """The item as it is and of another group, by the first dimension whose words its prompt has."""
    swapped = swap_person(item)
    if swapped is None:
        return None
    options = {"pair": item.id, "swapped": list_stand_ins(swapped.dimension, swapped.words)}
    shared = replace(
        item,
        id=f"{item.id}-as-written",
        reference=None,
        alternatives=(),
        metric=AGREEMENT,
        group=item.group or item.id,
        suite=NAME,
        options=options,
        extra={"category": swapped.dimension.name},
    )
    return shared, replace(shared, id=f"{item.id}-swapped", messages=swapped.messages)


@dataclass(frozen=True)
class SwappedPerson:
    """The prompt of another person, by one dimension, and every swapped word's counterpart."""

    dimension: Dimension
    messages: list[dict[str, Any]]
    words: dict[str, str]


def swap_person(item: Item) -> SwappedPerson | None:
    """By the first dimension whose words the prompt has; None where it names nobody."""
    for dimension in DIMENSIONS:
        messages, words = _swap_messages(item.messages, dimension)
        if words:
            return SwappedPerson(dimension, messages, words)
    return None


def _swap_messages(
    messages: Sequence[Mapping[str, Any]], dimension: Dimension
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    swapped: list[dict[str, Any]] = []
    words: dict[str, str] = {}
    for message in messages:
        content = message.get("content")
        if isinstance(content, str) and message["role"] not in _KEPT:
            found = swap_words(content, dimension)
            words |= found.words
            message = {**message, "content": found.text}
        swapped.append(dict(message))
    return swapped, words
