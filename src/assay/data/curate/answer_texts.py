"""Whether two answers in plain words contradict each other: a number, a name, a denial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

from assay.data.curate.answer_values import oppose, squeeze
from assay.data.curate.answers import SMALL_WORDS, Answer

_DENIALS = "no not never cannot without neither nor nicht kein keine nie ne pas"
_NEGATORS = frozenset(_DENIALS.split())
_OPPOSITES = (
    ("always", "never"), ("allowed", "forbidden"), ("allowed", "prohibited"), ("true", "false"),
    ("open", "closed"), ("opens", "closes"), ("increase", "decrease"), ("increases", "decreases"),
    ("enabled", "disabled"), ("enable", "disable"), ("possible", "impossible"), ("safe", "unsafe"),
    ("legal", "illegal"), ("before", "after"), ("above", "below"), ("more", "less"),
    ("higher", "lower"), ("high", "low"), ("positive", "negative"), ("valid", "invalid"),
    ("accept", "reject"), ("accepted", "rejected"), ("can", "cannot"), ("left", "right"),
    ("free", "paid"), ("available", "unavailable"), ("includes", "excludes"), ("hot", "cold"),
    ("minimum", "maximum"), ("first", "last"), ("with", "without"), ("on", "off"), ("up", "down"),
    ("included", "excluded"), ("required", "optional"), ("north", "south"), ("east", "west"),
)  # fmt: skip
_OPPOSED = frozenset(frozenset(pair) for pair in _OPPOSITES)
_ALIKE = 0.6
_SHORT = 40
_HARDLY = 0.12
_MIN_CONTENT_WORDS = 3


def compare_texts(one: Answer, other: Answer, *, is_settled: bool) -> str | None:
    """How two answers in plain words contradict each other, or None; as `tell_contradiction`."""
    longest = max(len(one.folded), len(other.folded))
    if longest <= 4 * _SHORT:
        likeness, opcodes = _align(one.folded, other.folded)
        if likeness >= _ALIKE:
            return _compare_alike(one, other, opcodes)
    if longest > _SHORT:
        return None
    units = _find_units(one), _find_units(other)
    for unit in sorted(set(units[0]) & set(units[1])):
        if not units[0][unit] & units[1][unit] and max(map(len, units)) <= 2:
            values = ("/".join(sorted(own[unit])) for own in units)
            return oppose(*(f"{value} {unit}" for value in values))
    words = one.content_words, other.content_words
    if is_settled and min(map(len, words)) >= _MIN_CONTENT_WORDS:
        share = len(words[0] & words[1]) / min(map(len, words))
        if share < _HARDLY:
            return "they share hardly a word, where other questions have one answer"
    return None


def _align(one: Sequence[str], other: Sequence[str]) -> tuple[float, list[Any]]:
    """How alike two texts are, and what turns the one into the other, whichever comes first.

    What `SequenceMatcher` finds depends on the order of its texts, so it is always given the same.
    """
    if tuple(other) < tuple(one):
        likeness, opcodes = _align(other, one)
        return likeness, [(kind, c, d, a, b) for kind, a, b, c, d in opcodes]
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.ratio(), matcher.get_opcodes()


def _find_units(answer: Answer) -> dict[str, set[str]]:
    """Numbers by the word after them, such as days."""
    units: dict[str, set[str]] = {}
    for number, unit in pairwise([*answer.folded, ""]):
        if number[0].isdigit() and unit.isalpha() and unit not in SMALL_WORDS:
            units.setdefault(unit.rstrip("s"), set()).add(number)
    return units


def _compare_alike(one: Answer, other: Answer, opcodes: Sequence[Any]) -> str | None:
    """Of two texts that are mostly the same: the change that turns the meaning."""
    is_short = max(len(one.folded), len(other.folded)) <= _SHORT
    for kind, a, b, c, d in opcodes:
        if kind != "replace" or max(b - a, d - c) > 3:
            continue
        own, others = one.folded[a:b], other.folded[c:d]
        is_number = all(token[0].isdigit() for token in own + others)
        is_opposite = len(own) == len(others) == 1 and frozenset(own + others) in _OPPOSED
        is_name = a > 0 and c > 0 and _are_names(one.tokens[a:b], other.tokens[c:d])
        if is_number or (is_short and (is_opposite or is_name)):
            return oppose(" ".join(one.tokens[a:b]), " ".join(other.tokens[c:d]))
    if is_short:
        changed = [list(_changed(answer.folded, opcodes, side)) for side, answer in
                   enumerate((one, other))]  # fmt: skip
        denials = [sum(map(_denies, own)) for own in changed]
        if denials[0] % 2 != denials[1] % 2:
            return "one denies what the other says"
    return None


def _changed(tokens: Sequence[str], opcodes: Sequence[Any], side: int) -> Iterator[str]:
    for kind, *bounds in opcodes:
        if kind != "equal":
            yield from tokens[bounds[2 * side] : bounds[2 * side + 1]]


def _denies(token: str) -> bool:
    return token in _NEGATORS or token.endswith("n't")


def _are_names(own: Sequence[str], others: Sequence[str]) -> bool:
    """Whether both sides are names, and not two ways to write one."""
    if not all(token[0].isupper() for token in [*own, *others]):
        return False
    initials = ["".join(token[0] for token in side).lower() for side in (own, others)]
    joined = [squeeze("".join(side)) for side in (own, others)]
    return not (
        joined[0] in joined[1]
        or joined[1] in joined[0]
        or initials[0] == joined[1]
        or initials[1] == joined[0]
    )
