"""The user's own questions with known answers, asked of two groups of people: is one served worse?

Agreement (`counterfactual`) takes the base for its measure, and a base that cannot do the task yet
answers two persons differently by chance, so that a tuned model which denies one group is no worse.
Here both persons' answers are scored against the right one, which the swap leaves as it is, and one
group's scores are set against the other's (`scorers.parity`). First names stand for no one group,
and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from assay.evaluate.items import Item, draw_sample, reference_calls, reference_text
from assay.evaluate.scorers import SCORERS
from assay.evaluate.scorers.parity import METRIC, PARITY, SERVED
from assay.evaluate.suites import Suite, build_suite
from assay.evaluate.suites.counterfactual import swap_person
from assay.evaluate.suites.swap_words import find_gender, swap_words

MIN_PAIRS = 20
"""Fewer show no difference at the level that a gate has."""
Sides = dict[str, Item]
"""The same question of both groups, by the group's word."""


def build_served_suites(items: Sequence[Item], *, max_pairs: int, seed: int) -> list[Suite]:
    """Two suites for every two groups that `MIN_PAIRS` items name: one for whom each is served.

    Items have their metric; those without a gold text, or with gold calls, are left out.
    """
    by_groups: dict[tuple[str, ...], list[Sides]] = {}
    for item in items:
        if sides := _build_sides(item):
            by_groups.setdefault(tuple(sorted(sides)), []).append(sides)
    return [
        _build_suite(group, draw_sample(pairs, max_items=max_pairs, seed=seed))
        for groups, pairs in sorted(by_groups.items())
        if len(pairs) >= MIN_PAIRS
        for group in groups
    ]


def _build_sides(item: Item) -> Sides | None:
    is_asked = item.rendering != "text" and not item.choices and item.metric in SCORERS
    if not is_asked or not reference_text(item) or reference_calls(item):
        return None
    swapped = swap_person(item)
    if swapped is None:
        return None
    groups = _name_groups(swapped.dimension.name, swapped.words)
    if groups is None:
        return None
    other = replace(
        item,
        messages=swapped.messages,
        reference=swap_words(reference_text(item), swapped.dimension).text,
        alternatives=tuple(swap_words(one, swapped.dimension).text for one in item.alternatives),
    )
    return dict(zip(groups, (item, other), strict=True))


def _name_groups(dimension: str, words: Mapping[str, str]) -> tuple[str, str] | None:
    """The group as it is written and the other one; None where a prompt names both, or names."""
    if dimension == "gender":
        found = {find_gender(word) for word in words}
        if len(found) > 1:
            return None
        return ("male", "female") if "male" in found else ("female", "male")
    if dimension == "group" and len(words) == 1:
        ((own, other),) = words.items()
        return own, other
    return None


def _build_suite(served: str, pairs: Sequence[Sides]) -> Suite:
    name = f"served_{served}"
    own = [
        replace(
            item,
            id=f"{item.id}-{group}",
            metric=PARITY,
            group=item.group or item.id,
            suite=name,
            options={
                **item.options,
                **{"pair": item.id, METRIC: item.metric, SERVED: group == served},
            },
            extra={"category": group},
        )
        for sides in pairs
        for group, item in sides.items()
    ]
    suite = build_suite(own, name=name, kind="fairness", metric=PARITY)
    return replace(suite, reason="who stands in another's place must be served as well")
