"""Rows that were learned from and should have measured, and rows that only sound like them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Sequence
from random import Random

from benchmarks.planted.case import Line, Mark, Row
from benchmarks.planted.duplicates import change_words, measure_likeness

MIN_WORDS = 16
_INTRO = "I found this in an old folder of mine and wonder what you make of it, so here it is: "
_OUTRO = " That is all of it, and I would be glad to know what comes out."
Leak = Callable[[Row, Row, Random], Row | None]
"""Held-out row, and the clean row whose place is taken; None where they do not suit."""


def _ask(question: str, answer: str) -> Row:
    turns = (("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def read_question(row: Row) -> str:
    """What the user says first."""
    return str(next(one["content"] for one in row["messages"] if one["role"] == "user"))


def _is_telling(row: Row) -> bool:
    """Whether a row has one question, long enough to be told from others."""
    num_asked = sum(one["role"] == "user" for one in row["messages"])
    return num_asked == 1 and len(read_question(row).split()) >= MIN_WORDS


def copy_row(held: Row, row: Row, draw: Random) -> Row:
    """Word for word."""
    return copy.deepcopy(held)


def copy_folded(held: Row, row: Row, draw: Random) -> Row:
    """The question in capitals, without its punctuation, with another answer."""
    asked = re.sub(r"[,.!?;:]+(?=\s|$)", "", read_question(held).upper())
    return _ask(asked, "That depends on several things.")


def answer_otherwise(held: Row, row: Row, draw: Random) -> Row:
    """The same question with another answer."""
    return _ask(read_question(held), "I will find that out for you.")


def embed(held: Row, row: Row, draw: Random) -> Row | None:
    """A question of 30 words or more within a longer text; a shorter one is near a leak alone."""
    if len(read_question(held).split()) < 30:
        return None
    return _ask(_INTRO + read_question(held) + _OUTRO, "It is hard to say without more.")


def change_question(low: float, high: float) -> Leak:
    """The question with words changed; the answer is another one."""
    change = change_words(low, high)

    def make(held: Row, row: Row, draw: Random) -> Row | None:
        question = read_question(held)
        if len(question.split()) < 40:
            return None
        made = change(_ask(question, ""), draw)
        if made is None or measure_likeness(_ask(question, ""), made) < low:
            return None
        return _ask(read_question(made), "I will ask a colleague about it.")

    return make


def copy_passage(num_words: int) -> Leak:
    """A passage of the held-out question at the end of another row's answer."""

    def make(held: Row, row: Row, draw: Random) -> Row | None:
        words = read_question(held).split()
        last = row["messages"][-1]
        if len(words) < 2 * num_words + 4 or not last.get("content"):
            return None
        start = draw.randrange(len(words) - num_words)
        passage = " ".join(words[start : start + num_words])
        made = copy.deepcopy(row)
        made["messages"][-1]["content"] += f" Somebody wrote: {passage}"
        return made

    return make


FAULTS: dict[str, dict[str, Leak]] = {
    "leaked_row": {
        "word for word": copy_row,
        "another answer": answer_otherwise,
        "capitals, no punctuation, another answer": copy_folded,
        "within a longer text": embed,
    },
    "near_leaked_row": {"likeness 0.81 to 0.92": change_question(0.81, 0.92)},
    "overlapping_text": {"20 words": copy_passage(20), "15 words": copy_passage(15)},
}
TWINS: dict[str, dict[str, Leak]] = {
    "overlapping_text": {"8 words": copy_passage(8)},
    "near_leaked_row": {"likeness 0.4 to 0.7": change_question(0.4, 0.7)},
}


def plant_leaks(
    clean: Sequence[Row], *, num_held: int, count: int, seed: str
) -> tuple[list[Line], list[Row], dict[int, Mark], dict[int, Mark]]:
    """Training rows, held-out rows, what leaks where, and what only sounds so; none twice."""
    draw = Random(seed)
    order = draw.sample(range(len(clean)), len(clean))
    held = [clean[place] for place in order[:num_held]]
    field = _Field(
        [clean[place] for place in order[num_held:]],
        [one for one in held if _is_telling(one)],
        draw,
    )
    marks: tuple[dict[int, Mark], dict[int, Mark]] = ({}, {})
    for kind, faults in enumerate((FAULTS, TWINS)):
        for rule, strengths in faults.items():
            for strength, make in strengths.items():
                places = field.leak(make, count)
                marks[kind].update(dict.fromkeys(places, Mark(rule, strength)))
    return field.lines, held, *marks


class _Field:
    """Training rows that may be taken, and held-out rows that may leak into them."""

    def __init__(self, lines: list[Line], telling: list[Row], draw: Random) -> None:
        self.lines, self._telling, self._draw = lines, telling, draw
        self._free = draw.sample(range(len(lines)), len(lines))

    def leak(self, make: Leak, count: int) -> list[int]:
        """Put up to `count` leaks in places of their own; which."""
        places: list[int] = []
        for _ in range(20 * count):
            if len(places) == count or not self._telling:
                break
            place, held = self._free.pop(), self._telling.pop()
            made = make(held, json.loads(json.dumps(self.lines[place])), self._draw)
            if made is None:
                self._telling.insert(0, held)
                self._free.insert(0, place)
                continue
            self.lines[place] = made
            places.append(place)
        return places
