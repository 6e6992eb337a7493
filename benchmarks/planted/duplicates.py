"""Copies, and rows with so many words changed that a known share of them is the same."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from random import Random

from benchmarks.planted.case import Line, Mark, Row
from benchmarks.planted.desk_words import parse_words

_WORD = re.compile(r"\w+")
SPARE = parse_words("amber brisk clever drift ember frost grove hazel ivory jolly kite lunar")
Change = Callable[[Row, Random], Row | None]


def list_texts(row: Row) -> list[str]:
    """What is said, the system prompt aside."""
    return [one.get("content") or "" for one in row["messages"] if one["role"] != "system"]


def count_words(row: Row) -> int:
    """Words of what is said."""
    return sum(len(_WORD.findall(text)) for text in list_texts(row))


def measure_likeness(one: Row, two: Row, *, length: int = 3) -> float:
    """Jaccard's index of the sequences of words within a message."""
    first, second = (
        {
            tuple(words[start : start + length])
            for text in list_texts(row)
            for words in [_WORD.findall(text.casefold())]
            for start in range(len(words) - length + 1)
        }
        for row in (one, two)
    )
    return len(first & second) / max(1, len(first | second))


def copy_plainly(row: Row, draw: Random) -> Row:
    """Word for word."""
    return row


def copy_spaced(row: Row, draw: Random) -> Row:
    """With other white space."""
    for one in row["messages"]:
        if one.get("content"):
            one["content"] = f" {one['content']}".replace(". ", ".\n ") + "\n"
    return row


def copy_renumbered(row: Row, draw: Random) -> Row | None:
    """With other ids of its calls; None where it has none."""
    number, ids = str(draw.randrange(10**6)), set()
    for one in row["messages"]:
        for call in one.get("tool_calls") or ():
            ids.add(call.get("id"))
            call["id"] = f"{call.get('id')}_{number}"
        if one.get("tool_call_id"):
            one["tool_call_id"] += f"_{number}"
    return row if ids else None


def change_words(low: float, high: float) -> Change:
    """Words replaced until the likeness lies between `low` and `high`; None where it cannot."""

    def change(row: Row, draw: Random) -> Row | None:
        if count_words(row) < 40:
            return None
        before = copy.deepcopy(row)
        for _ in range(60):
            _replace_word(row, draw)
            likeness = measure_likeness(before, row)
            if likeness < high:
                return row if likeness >= low else None
        return None

    return change


def _replace_word(row: Row, draw: Random) -> None:
    said = [one for one in row["messages"] if one["role"] != "system" and one.get("content")]
    said = [one for one in said if one["role"] != "tool" and len(one["content"].split()) > 6]
    if said:
        one = draw.choice(said)
        words = one["content"].split(" ")
        words[draw.randrange(len(words))] = draw.choice(SPARE)
        one["content"] = " ".join(words)


FAULTS: dict[str, dict[str, Change]] = {
    "exact_duplicate": {
        "word for word": copy_plainly,
        "other white space": copy_spaced,
        "other call ids": copy_renumbered,
    },
    "near_duplicate": {
        "likeness above 0.93": change_words(0.93, 0.99),
        "likeness 0.87 to 0.93": change_words(0.87, 0.93),
        "likeness 0.81 to 0.87": change_words(0.81, 0.87),
    },
}
TWINS: dict[str, dict[str, Change]] = {
    "near_duplicate": {"likeness 0.5 to 0.78": change_words(0.5, 0.78)}
}


def plant_copies(
    clean: Sequence[Row], *, count: int, seed: str
) -> tuple[list[Line], dict[int, Mark], dict[int, Mark]]:
    """`count` pairs of each kind, the copy after its original, in the place of another row.

    Fewer where the rows do not suit.
    """
    draw = Random(seed)
    lines: list[Line] = list(clean)
    free = draw.sample(range(len(lines)), len(lines))
    marks: tuple[dict[int, Mark], dict[int, Mark]] = ({}, {})
    for kind, faults in enumerate((FAULTS, TWINS)):
        for rule, strengths in faults.items():
            for strength, change in strengths.items():
                left, tries = count, 0
                while left and tries < 40 * count and 3 * len(free) > len(lines):
                    tries += 1
                    first, second = sorted((free.pop(), free.pop()))
                    made = change(copy.deepcopy(clean[first]), draw)
                    if made is None:
                        free[:0] = [first, second]
                        continue
                    lines[second] = made
                    marks[kind][second] = Mark(rule, strength)
                    left -= 1
    return lines, *marks
