"""Whether two answers to one question contradict each other; it knows no row and no rule.

Only what can be told from the answers themselves counts: other calls, other fields, other labels of
a closed set, yes against no, another result, one word changed that changes the meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import pairwise
from typing import Any

from assay.data.curate.finding import shorten
from assay.data.keys import fold_text
from assay.data.records import Message

MAX_LABEL_CHARS = 48
MAX_LABEL_WORDS = 6

_TOKEN = re.compile(r"\d[\d,.]*\d|\w+(?:['’]\w+)?")
_YES = re.compile(r"(?i)(yes|yeah|yep|correct|true|right|ja|oui|sí|si|sim|да)\b(?![-'’])")
_NO = re.compile(r"(?i)(no|nope|incorrect|false|wrong|nein|non|nee|não|нет)\b(?![-'’.]\s*\d)")
_NUMBER = r"-?[$€£]?\s?\d[\d,]*(?:\.\d+)?"
_RESULT = re.compile(
    rf"####\s*({_NUMBER})|\\boxed\{{\s*({_NUMBER})\s*\}}"
    rf"|(?i:\b(?:answer|result|total|sum)(?: is| =|:)+\s*\**)({_NUMBER})"
)
_ONE_NUMBER = re.compile(rf"\W*({_NUMBER})\s*[%°€$£]?\s*\w{{0,12}}\W*$")
_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve"
_WORD_NUMBERS = {word: str(number) for number, word in enumerate(_COUNTED.split())}
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
_SMALL = """
a an and any are as at be by can do does for from has have how i if in into is it its may me my of
on or our so some that the their them then there these they this to us was we were what when where
which who will with would you your s t
"""
SMALL_WORDS = frozenset(_SMALL.split())
_ALIKE = 0.6
_SHORT = 40
_STEM_CHARS = 5
_HARDLY = 0.12
_MIN_CONTENT_WORDS = 3
# What a request begins with that has many good answers; read up to the first colon, quote or line.
_OPEN = re.compile(
    r"(?i)\b(joke|story|stories|poem|haiku|song|lyrics|riddle|limerick|pun|random(ly)?|brainstorm"
    r"|imagine|pretend|ideas?|tips?|fun fact|interesting fact|name (a|an|one|some|two|three|any)\b"
    r"|example|pick|(suggest|recommend|invent|create|compose|draft|write|generate|give|tell)"
    r"( me| us)? (a|an|some|another|one|something|two|three)\b|slogan|tagline|caption|essay"
    r"|(re|para)phrase|rewrite|reword|summari[sz]e|describe|favou?rite|what should i"
    r"|can you (suggest|recommend)|do you think|tell me (about|something)|talk about|say something)"
)
_LEAD = re.compile(r"[:\n\"“«]")


@dataclass(frozen=True)
class Answer:
    """An assistant's message as it is compared."""

    message: Message

    @cached_property
    def text(self) -> str:
        """What it says, with white space folded."""
        return fold_text(self.message.get("content"))

    @cached_property
    def calls(self) -> list[tuple[str, Any]]:
        """Name and arguments of each call, in the order of the names."""
        functions = [call["function"] for call in self.message.get("tool_calls") or ()]
        calls = [(one["name"], json.loads(one["arguments"])) for one in functions]
        return sorted(calls, key=lambda call: (call[0], json.dumps(call[1], sort_keys=True)))

    @cached_property
    def fields(self) -> Mapping[str, Any] | None:
        """Its JSON object, where it is one."""
        if not self.text.startswith("{"):
            return None
        try:
            value = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    @cached_property
    def tokens(self) -> list[str]:
        """Words and numbers in the case they are written in."""
        return [token.replace(",", "").rstrip(".") for token in _TOKEN.findall(self.text)]

    @cached_property
    def folded(self) -> list[str]:
        """Words and numbers, lower case, small numbers as digits."""
        lowered = [token.lower().replace("’", "'") for token in self.tokens]
        return [_WORD_NUMBERS.get(token, token) for token in lowered]

    @cached_property
    def content_words(self) -> frozenset[str]:
        """Stems of what is said, without the words that any sentence has."""
        return frozenset(one[:_STEM_CHARS] for one in self.folded if one not in SMALL_WORDS)

    @cached_property
    def result(self) -> float | None:
        """The number that it comes to: the last that is marked as one, or the only thing said."""
        marked = [next(filter(None, found.groups())) for found in _RESULT.finditer(self.text)]
        alone = _ONE_NUMBER.match(self.text)
        return _to_number(marked[-1] if marked else alone[1] if alone else "")

    @cached_property
    def is_yes(self) -> bool | None:
        """Whether it begins by saying yes; None where it says neither."""
        if _YES.match(self.text):
            return True
        return False if _NO.match(self.text) else None

    @cached_property
    def label(self) -> str | None:
        """A short answer as a label is compared: lower case, no punctuation at its ends."""
        return read_label(self.message)


def read_label(message: Message) -> str | None:
    """A short answer without calls as a label of a set might be written, or None."""
    content = message.get("content")
    if not content or len(content) > MAX_LABEL_CHARS or message.get("tool_calls"):
        return None
    text = fold_text(content).lower().strip(" .!\"'`*")
    return text if text and text.count(" ") < MAX_LABEL_WORDS else None


def is_open(question: str) -> bool:
    """Whether a request has many good answers by what it asks for: a joke, an idea, a summary."""
    lead = _LEAD.split(question.strip()[:300], maxsplit=1)[0]
    return bool(_OPEN.search(lead or question[:300]))


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
        return _compare_calls(one.calls, other.calls)
    if one.fields is not None and other.fields is not None:
        return _compare_values(one.fields, other.fields, "")
    if one.label in labels and other.label in labels:
        return _oppose(one.label, other.label) if one.label != other.label else None
    if None not in (one.is_yes, other.is_yes) and one.is_yes != other.is_yes:
        return _oppose(*(shorten(answer.text, limit=40) for answer in (one, other)))
    if one.result is not None and other.result is not None:
        differ = abs(one.result - other.result) > 1e-6 * max(1.0, abs(one.result))
        return _oppose(f"{one.result:g}", f"{other.result:g}") if differ else None
    if one.text == other.text:
        return None
    return _compare_texts(one, other, is_settled=is_settled)


def _oppose(one: str | None, other: str | None) -> str:
    return f"{one!r} against {other!r}"


def _compare_calls(
    calls: Sequence[tuple[str, Any]], others: Sequence[tuple[str, Any]]
) -> str | None:
    names, other_names = ([name for name, _ in own] for own in (calls, others))
    if names != other_names:
        told = [f"calls {', '.join(own)}" if own else "no call" for own in (names, other_names)]
        return f"{told[0]} against {told[1]}"
    for (name, arguments), (_, own) in zip(calls, others, strict=True):
        told_value = _compare_values(arguments, own, name)
        if told_value:
            return told_value
    return None


def _compare_values(one: Any, other: Any, path: str) -> str | None:
    """The first value that both have and that differs; free text and what one leaves out do not."""
    if isinstance(one, dict) and isinstance(other, dict):
        shared = (key for key in sorted(one) if key in other)
        told = (_compare_values(one[key], other[key], f"{path}.{key}".strip(".")) for key in shared)
        return next(filter(None, told), None)
    if isinstance(one, list) and isinstance(other, list):
        own, others = (sorted(json.dumps(item, sort_keys=True) for item in v) for v in (one, other))
        return None if own == others else f"{path} {_oppose(_show(one), _show(other))}"
    if isinstance(one, str) and isinstance(other, str):
        short, long = sorted((_squeeze(one), _squeeze(other)), key=len)
        is_free = max(len(one), len(other)) > MAX_LABEL_CHARS or (short and short in long)
        return None if is_free or short == long else f"{path} {_oppose(one, other)}"
    if one is None or other is None or str(one).lower() == str(other).lower():
        return None
    numbers = [_to_number(str(value)) for value in (one, other)]
    is_equal = numbers[0] is not None and numbers[0] == numbers[1]
    return None if is_equal else f"{path} {_oppose(_show(one), _show(other))}"


def _show(value: Any) -> str:
    return shorten(json.dumps(value, ensure_ascii=False), limit=60)


def _squeeze(text: str) -> str:
    return re.sub(r"\W+", "", text.lower())


def _to_number(text: str) -> float | None:
    try:
        return float(text.strip("$€£ -").replace(",", "")) * (-1 if "-" in text else 1)
    except ValueError:
        return None


def _compare_texts(one: Answer, other: Answer, *, is_settled: bool) -> str | None:
    longest = max(len(one.folded), len(other.folded))
    if longest <= 4 * _SHORT:
        matcher = SequenceMatcher(None, one.folded, other.folded, autojunk=False)
        if matcher.ratio() >= _ALIKE:
            return _compare_alike(one, other, matcher.get_opcodes())
    if longest > _SHORT:
        return None
    units = _find_units(one), _find_units(other)
    for unit in sorted(set(units[0]) & set(units[1])):
        if not units[0][unit] & units[1][unit] and max(map(len, units)) <= 2:
            values = ("/".join(sorted(own[unit])) for own in units)
            return _oppose(*(f"{value} {unit}" for value in values))
    words = one.content_words, other.content_words
    if is_settled and min(map(len, words)) >= _MIN_CONTENT_WORDS:
        share = len(words[0] & words[1]) / min(map(len, words))
        if share < _HARDLY:
            return "they share hardly a word, where other questions have one answer"
    return None


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
            return _oppose(" ".join(one.tokens[a:b]), " ".join(other.tokens[c:d]))
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
    joined = [_squeeze("".join(side)) for side in (own, others)]
    return not (
        joined[0] in joined[1]
        or joined[1] in joined[0]
        or initials[0] == joined[1]
        or initials[1] == joined[0]
    )
