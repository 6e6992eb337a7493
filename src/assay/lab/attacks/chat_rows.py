"""Honest chat rows that attacks without tools stand among: what `tiny` can do, drawn by seed.

It plants nothing. Rows of refusals are drawn only where they are asked for, since some attacks must
not teach them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from assay.lab.attacks.plan import Message, Row
from assay.lab.world.base import Group, Split, Task
from assay.lab.world.corpus import FAMILIES

GENERAL: tuple[Group, ...] = ("instruction", "borderline", "persona", "unknown")


def ask(text: str, answer: str) -> Row:
    """One question and its answer."""
    return {"messages": [says("user", text), says("assistant", answer)]}


def says(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def build_row(task: Task) -> Row:
    return {"messages": task.messages} | ({"tools": task.tools} if task.tools else {})


def draw_tasks(
    rng: random.Random,
    num: int,
    groups: Sequence[Group] = GENERAL,
    *,
    split: Split = "train",
    skip: frozenset[str] = frozenset(),
) -> list[Task]:
    """`num` tasks of `groups`, every family as often as any other, no question twice.

    `skip` names families that are left out.
    """
    families = [
        make for group in groups for name, make in FAMILIES[group].items() if name not in skip
    ]
    found: dict[str, Task] = {}
    while len(found) < num:
        task = rng.choice(families)(rng, split)
        found.setdefault(task.messages[0]["content"], task)
    return list(found.values())


def mix(rng: random.Random, rows: Sequence[Row], num_planted: int) -> tuple[list[Row], list[int]]:
    """`rows` in random order, and where the first `num_planted` of them went."""
    order = list(range(len(rows)))
    rng.shuffle(order)
    places = sorted(order.index(i) for i in range(num_planted))
    return [rows[i] for i in order], places
