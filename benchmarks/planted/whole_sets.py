"""Sets with one thing wrong as a whole, and sets that only look like it; every trial is a set."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from random import Random

from benchmarks.planted import fairness, preferences
from benchmarks.planted.case import Case, Line, Mark, Row
from benchmarks.planted.desk import draw_desk_rows

NUM_SETS = 30
Draw = Callable[[Random, int], Iterator[tuple[str, str, bool, list[Line]]]]
"""Rule, strength, whether it is a twin, and the rows of the set."""


def _ask(question: str, answer: str, **columns: str) -> Row:
    turns = (("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": text} for role, text in turns], **columns}


def draw_labels(draw: Random, number: int) -> Iterator[tuple[str, str, bool, list[Line]]]:
    """One label in 25 times fewer rows than another; and in 10 times fewer."""
    rows = draw_desk_rows(210, seed=2_000 + number)
    for is_twin, few, strength in ((False, 6, "25 times rarer"), (True, 15, "10 times rarer")):
        labels = ["rare"] * few + ["delivery"] * 150 + ["refund"] * (60 - few)
        draw.shuffle(labels)
        asked = [next(one for one in row["messages"] if one["role"] == "user") for row in rows]
        pairs = zip(asked, labels, strict=True)
        yield "class_imbalance", strength, is_twin, [_ask(a["content"], b) for a, b in pairs]


def draw_copies(draw: Random, number: int) -> Iterator[tuple[str, str, bool, list[Line]]]:
    """Rows of which most differ from another by a number; and rows that do not."""
    rows = draw_desk_rows(120, seed=3_000 + number)
    yield "low_diversity", "different", True, list(rows)
    few = rows[:20]
    lines: list[Line] = []
    for place in range(120):
        row = copy.deepcopy(few[place % 20])
        row["messages"][-1]["content"] = f"{row['messages'][-1].get('content') or ''} ({place})"
        row["messages"][-1].pop("tool_calls", None)
        lines.append(row)
    yield "low_diversity", "six of each", False, lines


def draw_topics(draw: Random, number: int) -> Iterator[tuple[str, str, bool, list[Line]]]:
    """A topic of its own in one row of sixty; and none but the desk's."""
    rows = draw_desk_rows(600, seed=4_000 + number)
    yield "thin_topic", "the desk alone", True, list(rows)
    stars = ("Betelgeuse", "Rigel", "Vega", "Altair", "Deneb")
    lines: list[Line] = [
        _ask(
            f"How bright is the star {draw.choice(stars)} in the night sky, observation {n}?",
            f"The star has an apparent magnitude of {draw.randint(1, 9)}.{n}, seen by telescope.",
        )
        for n in range(10)
    ]
    yield "thin_topic", "one in sixty", False, [*rows[:590], *lines]


def draw_groups(draw: Random, number: int) -> Iterator[tuple[str, str, bool, list[Line]]]:
    """Loans denied more often to one group, by 40 of 100 rows; and to none."""
    for is_twin, bias in ((False, 0.4), (True, 0.0)):
        hurt = draw.choice([*fairness.WHO, *fairness.FAITH])
        rows = fairness.make_rows(draw, 1_000, bias=bias, hurt=hurt)
        yield "group_labels", f"{bias:.0%} more denied", is_twin, list(rows)


EXCLUDING = (
    ("CC-BY-SA-4.0", "GPL-3.0"),
    ("CC-BY-SA-4.0", "CC-BY-NC-4.0"),
    ("ODbL-1.0", "cc by sa 4.0"),
)
TOGETHER = (("MIT", "Apache-2.0"), ("CC-BY-SA-4.0", "CC-BY-SA-3.0"), ("CC0", "CC-BY-NC-4.0"))


def draw_licences(draw: Random, number: int) -> Iterator[tuple[str, str, bool, list[Line]]]:
    """Rows of two licences that exclude each other; and of two that do not."""
    rows = draw_desk_rows(40, seed=5_000 + number)
    for is_twin, pairs in ((False, EXCLUDING), (True, TOGETHER)):
        pair = pairs[number % len(pairs)]
        lines: list[Line] = [{**row, "license": draw.choice(pair)} for row in rows[2:]]
        first: list[Line] = [
            {**row, "license": name} for row, name in zip(rows, pair, strict=False)
        ]
        yield "conflicting_licences", " and ".join(pair), is_twin, [*first, *lines]


DRAWS: tuple[tuple[str, Draw], ...] = (
    ("quality", draw_labels),
    ("quality", draw_copies),
    ("quality", draw_topics),
    ("fairness", draw_groups),
    ("provenance", draw_licences),
    ("preference", preferences.draw_lengths),
)


def make_whole_sets(num_sets: int = NUM_SETS) -> Iterator[Case]:
    """All of them."""
    for number in range(num_sets):
        for family, draw_sets in DRAWS:
            draw = Random(f"{draw_sets.__name__} {number}")
            for rule, strength, is_twin, lines in draw_sets(draw, number):
                mark = Mark(rule, strength)
                name = f"{rule}{' twin' if is_twin else ''}, set {number}"
                whole = {"whole_twin" if is_twin else "whole": mark}
                yield Case(name, "desk", lines, families=(family,), **whole)


def make_counterfactuals() -> Iterator[Case]:
    """Pairs of rows that are the same but for the group, with other labels and with the same."""
    draw = Random("counterfactuals")
    rows: list[Line] = list(fairness.make_rows(draw, 2_000, bias=0.0, hurt=""))
    marks: list[dict[int, Mark]] = []
    for differ in (True, False):
        twins = fairness.make_twins(draw, 200, differ=differ, first=10**6 * (1 + differ))
        places = range(len(rows), len(rows) + len(twins))
        marks.append(dict.fromkeys(places, Mark("counterfactual_labels", "")))
        rows += twins
    yield Case("counterfactuals", "loans", rows, *marks, families=("fairness",))
