"""What an assistant answers, read as it is compared: a label, a number, words, calls, fields."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from assay.data.curate.answer_values import MAX_LABEL_CHARS, to_number
from assay.data.keys import fold_text
from assay.data.records import Message

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
_SMALL = """
a an and any are as at be by can do does for from has have how i if in into is it its may me my of
on or our so some that the their them then there these they this to us was we were what when where
which who will with would you your s t
"""
SMALL_WORDS = frozenset(_SMALL.split())
_STEM_CHARS = 5
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
        return to_number(marked[-1] if marked else alone[1] if alone else "")

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
