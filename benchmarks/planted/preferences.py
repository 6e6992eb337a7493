"""Pairs that are equal, judged aloud, or contradict others, and sets in which length decides."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from random import Random

from benchmarks.planted.case import Case, Fault, Line, Mark, Row, plant
from benchmarks.planted.desk import draw_desk_rows
from benchmarks.planted.desk_words import parse_words

NUM_PAIRS = 600
"""Clean pairs of a set; of fewer where there are fewer rows that suit."""
WORSE = (
    "I do not know, {}; please ask somebody else about that and come back when you have an answer.",
    "That is a good question, {}.",
    "Please {} and write to us again next week, since nobody here has time to look into it today.",
    "No.",
)
_WORDS = parse_words("amber brisk clever drift ember frost grove hazel ivory jolly kite lunar")


def draw_pairs(clean: Sequence[Row], draw: Random) -> list[Line]:
    """Pairs of rows that end in an answer in words: it is chosen, a poor one of any length not."""
    pairs: list[Line] = []
    for row in clean:
        *prompt, answer = row["messages"]
        if any(one["role"] == "tool" or one.get("tool_calls") for one in row["messages"]):
            continue
        words = " ".join(draw.sample(_WORDS, 2))
        rejected = {"role": "assistant", "content": draw.choice(WORSE).format(words)}
        if draw.random() < 0.5:  # so that no length is preferred
            rejected["content"] += f" {answer['content']} {words.capitalize()}."
        pairs.append({"prompt": prompt, "chosen": [answer], "rejected": [rejected]})
        if len(pairs) == NUM_PAIRS:
            break
    return pairs


def make_equal(row: Row, draw: Random) -> Row:
    """The rejected answer is the chosen one."""
    return {**row, "rejected": copy.deepcopy(row["chosen"])}


def make_spaced(row: Row, draw: Random) -> Row:
    """The same but for white space."""
    row = make_equal(row, draw)
    row["rejected"][0]["content"] = row["rejected"][0]["content"].replace(" ", "  ", 1) + "\n"
    return row


def make_nearly_equal(row: Row, draw: Random) -> Row:
    """A word more, which may be what is preferred."""
    row = make_equal(row, draw)
    row["rejected"][0]["content"] += f" {draw.choice(_WORDS)}"
    return row


_VERDICTS = (
    "{} [[A]]",
    "{}\n\nRating: [[{}]]",
    "Score: {1}/10\n{0}",
    "Chosen response: {}",
    "{} Response B is clearly worse.",
    "[The Start of Assistant A's Answer] {}",
)
_UNJUDGED = ("{} [A]", "{} That is {}/10 of the price.", "The answer is this: {}", "{} Plan B is.")


def make_judged(row: Row, draw: Random) -> Row:
    """Either answer holds what a judge wrote of it."""
    return _write_around(row, draw, _VERDICTS)


def make_unjudged(row: Row, draw: Random) -> Row:
    """Brackets, shares and marks that no judge wrote."""
    return _write_around(row, draw, _UNJUDGED)


def _write_around(row: Row, draw: Random, frames: Sequence[str]) -> Row:
    side = draw.choice(("chosen", "rejected"))
    row = {**row, side: copy.deepcopy(row[side])}
    (answer,) = row[side]
    answer["content"] = draw.choice(frames).format(answer["content"], draw.randint(1, 9))
    return row


FAULTS = (
    Fault("equal_answers", "word for word", make_equal),
    Fault("equal_answers", "other white space", make_spaced),
    Fault("judge_trace", "a judge's words", make_judged),
)
TWINS = (
    Fault("equal_answers", "a word more", make_nearly_equal),
    Fault("judge_trace", "words like a judge's", make_unjudged),
)


def make_preferences(kind: str, clean: Sequence[Row], count: int) -> Iterator[Case]:
    """Pairs of equal answers, and pairs of which a later one prefers the opposite."""
    draw = Random(f"preferences {kind}")
    pairs = draw_pairs(clean, draw)
    lines, planted, twins = plant(pairs, FAULTS, TWINS, count=count, seed=f"preferences {kind}")
    free = [place for place in range(len(pairs)) if place not in planted and place not in twins]
    for number, place in enumerate(draw.sample(free, min(2 * count, len(free)))):
        row = pairs[place]
        assert isinstance(row, dict)
        if number % 2:  # another answer rejected in the same place contradicts nothing
            words = " ".join(draw.sample(_WORDS, 3))
            other = [{"role": "assistant", "content": f"Nothing but {words}."}]
            twins[len(lines)] = Mark("contradicting_preferences", "another answer rejected")
            lines.append({**row, "rejected": other})
        else:
            mark = Mark("contradicting_preferences", "the other way round")
            planted[place] = planted[len(lines)] = mark
            lines.append({**row, "chosen": row["rejected"], "rejected": row["chosen"]})
    rules = {"length_preference": "off"}
    families = ("preference",)
    yield Case(f"preferences, {kind}", kind, lines, planted, twins, families=families, rules=rules)


def draw_lengths(draw: Random, number: int) -> Iterator[tuple[str, str, bool, list[Line]]]:
    """Pairs of which nine in ten have the longer answer (or the shorter) chosen; and half."""
    rows = draw_desk_rows(400, seed=6_000 + number)
    for is_twin, share in ((False, 0.9), (True, 0.5)):
        which = ("longer", "shorter")[number % 2]
        pairs = draw_pairs(rows, draw)
        places = set(draw.sample(range(len(pairs)), round(share * len(pairs))))
        lines: list[Line] = []
        for place, row in enumerate(pairs):
            assert isinstance(row, dict)
            answers = sorted((row["chosen"], row["rejected"]), key=_count)
            if (place in places) == (which == "longer"):
                answers.reverse()
            lines.append({**row, "chosen": answers[0], "rejected": answers[1]})
        yield "length_preference", f"{share:.0%} of the {which}", is_twin, lines


def _count(answer: list[Row]) -> int:
    return len(answer[0]["content"])
